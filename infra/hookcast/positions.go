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

// positions says how far each channel has been dealt with, and keeps it in a file, so that a later run can go on behind it. Safe for concurrent
// use.
type positions struct {
	path string
	mu   sync.Mutex
	at   map[string]int64 // by channel
	lost error            // why the file could not be written
}

// openPositions opens those of what is told apart by parts: who listens where, to what, for whom. Without resume it begins with none.
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
		return nil, fmt.Errorf("what was kept of the last run cannot be read: %w; without -resume it begins from now on", err)
	}
	return p, nil
}

// cursor is that of the channels, "" where any of them has no position.
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

// known tells whether the channel has a position.
func (p *positions) known(channel string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, there := p.at[channel]
	return there
}

// begin gives a channel a position, unless it has one.
func (p *positions) begin(channel string, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.at[channel]; !there {
		p.at[channel] = at
	}
}

// moved takes note of a cursor of the channels.
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

// err is why the last cursor is not kept.
func (p *positions) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}
