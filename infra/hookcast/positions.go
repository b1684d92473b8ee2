package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hookcast/hookcast/infra/privatefile"
	"github.com/hookcast/hookcast/tenants"
)

// positions records how far each channel has been handled, and saves that in a file so that a later run can continue
// there. It is safe for concurrent use.
type positions struct {
	path string
	mu   sync.Mutex
	at   map[string]int64 // sequence number of the last handled event, by channel
	lost error            // of the last attempt to write the file
}

// openPositions opens the positions of a run, which parts identify: API, tenant, address to forward to and arguments.
// Without resume it begins with no positions.
func openPositions(dir string, resume bool, parts ...string) (*positions, error) {
	dir = filepath.Join(dir, "cursors")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	p := &positions{path: filepath.Join(dir, hex.EncodeToString(sum[:12])+".json"), at: make(map[string]int64)}
	if !resume {
		return p, nil
	}
	b, err := privatefile.Read(p.path, maxSettings)
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p.at)
	}
	if err != nil {
		return nil,
			fmt.Errorf("cannot read the positions of the last run: %w; run without -resume to begin with new events",
				err)
	}
	return p, nil
}

// cursor returns the cursor of the channels, or "" if one of them has no position.
func (p *positions) cursor(channels []string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := make([]int64, 0, len(channels))
	for _, name := range channels {
		n, there := p.at[name]
		if !there {
			return ""
		}
		at = append(at, n)
	}
	return string(tenants.AppendCursor(nil, tenants.CursorSeed(channels), at))
}

// known reports whether the channel has a position.
func (p *positions) known(channel string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, there := p.at[channel]
	return there
}

// begin sets the position of a channel that has none.
func (p *positions) begin(channel string, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.at[channel]; !there {
		p.at[channel] = at
	}
}

// moved records a cursor of the channels and saves the positions.
func (p *positions) moved(channels []string, cursor string) {
	at, err := tenants.ParseCursor(cursor, channels)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := maps.Clone(p.at)
	for i, name := range channels {
		p.at[name] = at[i]
	}
	if maps.Equal(before, p.at) {
		return
	}
	b, err := json.Marshal(p.at)
	if err == nil {
		err = privatefile.Replace(p.path, b)
	}
	p.lost = err
}

// err returns why the last cursor could not be saved.
func (p *positions) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}
