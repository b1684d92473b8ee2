package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// listener forwards events of channels and sources to programs on this machine.
type listener struct {
	sh        *shell
	client    *client
	wanted    []wanted
	types     []string
	positions *positions
	forwarder *forwarder
	printing  sync.Mutex
	advised   bool // of what becomes of what was not delivered; under printing
}

// lookAgain is how often it is looked for channels that a pattern or a source's template names and that are new.
const lookAgain = 5 * time.Second

// listen forwards until it is stopped or all channels have ended.
func listen(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("listen")
	forward := f.String("forward", "", "`URL` of the program that gets the events, where an argument has none of its own")
	resume := f.Bool("resume", false, "go on where the last run of the same arguments stopped; without it, from now on")
	timeout := f.Duration("timeout", 30*time.Second, "how long the program may take for its answer")
	wait := f.Duration("wait", 10*time.Second, "how long to try again where nobody listens, because the program is being started")
	print := f.Bool("print-secret", false, "print the secret of our own signature (Standard Webhooks), and end")
	var types []string
	f.Func("type", "forward events of this `type` alone; a * at the end stands for anything; may be given more than once", func(s string) error {
		types = append(types, s)
		return nil
	})
	rest, err := sh.parse(f, args)
	if err != nil {
		return err
	}
	if *timeout <= 0 || *wait < 0 {
		return failed(exitUsage, "-timeout and -wait are times, such as 30s or 2m, and -wait may be 0")
	}
	dir, err := sh.folder()
	if err != nil {
		return err
	}
	secret, err := localSecret(dir)
	if err != nil {
		return err
	}
	if *print {
		fmt.Fprintln(sh.stdout, secret)
		return nil
	}
	l := &listener{sh: sh, types: types}
	for _, arg := range rest {
		w, err := parseWanted(arg, *forward)
		if err != nil {
			return err
		}
		l.wanted = append(l.wanted, w)
	}
	if l.client, err = open(sh); err != nil {
		return err
	}
	if len(rest) == 0 {
		return l.nothingNamed(ctx)
	}
	if l.forwarder, err = newForwarder(sh, secret, *timeout, *wait); err != nil {
		return err
	}
	who, err := l.client.whoAmI(ctx)
	if err != nil {
		return err
	}
	if who.ID == "" {
		who.ID = tenants.DerivedID("", l.client.Key)
	}
	slices.Sort(rest)
	if l.positions, err = openPositions(dir, *resume, append([]string{l.client.API, who.ID, *forward}, rest...)...); err != nil {
		return err
	}
	for i := range l.wanted {
		if err := l.wanted[i].resolve(ctx, l.client); err != nil {
			return err
		}
	}
	return l.run(ctx)
}

// nothingNamed says what there is to listen to.
func (l *listener) nothingNamed(ctx context.Context) error {
	var sources struct {
		Data []struct{ ID, Name, Provider, Channel string }
	}
	if err := l.client.call(ctx, http.MethodGet, "/v1/sources?limit=100", nil, &sources); err != nil {
		return needs(err, "to see sources takes a key of the role admin or owner; channels need to be named")
	}
	for _, s := range sources.Data {
		l.sh.say("%s  %s (%s) into %s", s.ID, s.Name, s.Provider, s.Channel)
	}
	return failed(exitUsage, "name what to listen to: sources by their ids (as many as you like), channels, or patterns of channels such as orders.*")
}

// feed is a follower that runs.
type feed struct {
	channels []string
	stop     context.CancelFunc
	over     chan error // one value
}

// run listens to what is there, and to what comes to be while it does.
func (l *listener) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var feeds []*feed
	ended := make(chan error)
	begin := func(channels []string) {
		inner, stop := context.WithCancel(ctx)
		fd := &feed{channels, stop, make(chan error, 1)}
		feeds = append(feeds, fd)
		running.Go(func() {
			err := l.follow(inner, channels)
			fd.over <- err
			if inner.Err() == nil { // of its own
				select {
				case ended <- err:
				case <-ctx.Done():
				}
			}
		})
	}
	channels, err := l.find(ctx, nil)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(channels, l.positions.known) { // a run before this one: what has come to be since is all new
		for _, name := range channels {
			l.positions.begin(name, 0)
		}
	}
	for batch := range slices.Chunk(channels, tenants.MaxChannels) {
		begin(batch)
	}
	if l.growing() && len(channels) == 0 {
		l.say("there is no channel yet that this is about; it waits for one")
	}
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for left := len(feeds); ; {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			if left--; err != nil || left == 0 && !l.growing() {
				return err
			}
		case <-look.C:
			if !l.growing() {
				continue
			}
			found, err := l.find(ctx, channels)
			if err != nil { // the streams say what there is to say
				if f, ok := errors.AsType[*failure](err); ok && f.exit == exitRefused {
					return err
				}
				continue
			}
			for _, name := range found {
				l.positions.begin(name, 0) // it was not there: all of it is new
			}
			channels = append(channels, found...)
			// A connection is a slot: fill the last one up rather than have one for each channel that comes.
			if n := len(feeds); n > 0 && len(found) > 0 && len(feeds[n-1].over) == 0 && len(feeds[n-1].channels)+len(found) <= tenants.MaxChannels && l.positions.cursor(feeds[n-1].channels) != "" {
				feeds[n-1].stop()
				<-feeds[n-1].over
				found = append(slices.Clone(feeds[n-1].channels), found...)
				feeds = feeds[:n-1]
				left--
			}
			for batch := range slices.Chunk(found, tenants.MaxChannels) {
				begin(batch)
				left++
			}
		}
	}
}

// growing tells whether there may be more channels later.
func (l *listener) growing() bool {
	return slices.ContainsFunc(l.wanted, func(w wanted) bool { return w.matches != nil })
}

// find lists the channels that are wanted and not among known.
func (l *listener) find(ctx context.Context, known []string) (channels []string, err error) {
	add := func(name string) {
		if !slices.Contains(known, name) && !slices.Contains(channels, name) {
			channels = append(channels, name)
		}
	}
	for _, w := range l.wanted {
		for _, name := range w.fixed {
			add(name)
		}
	}
	if !l.growing() {
		return channels, nil
	}
	all, err := l.client.channels(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range all {
		if slices.ContainsFunc(l.wanted, func(w wanted) bool { return w.matches != nil && w.matches(name) }) {
			add(name)
		}
	}
	return channels, nil
}

// follow forwards what comes on the channels.
func (l *listener) follow(ctx context.Context, channels []string) error {
	f := &follower{client: l.client, channels: channels, cursor: l.positions.cursor(channels), query: url.Values{"format": {"original"}}, take: l.take, say: l.say, patience: l.sh.patience}
	f.moved = func(cursor string) {
		before := l.positions.err()
		l.positions.moved(channels, cursor)
		if err := l.positions.err(); err != nil && before == nil {
			l.say("the place cannot be kept, so that -resume will repeat events: %v", err)
		}
	}
	return f.run(ctx)
}

// take forwards one event, and says so in a line.
func (l *listener) take(ctx context.Context, data []byte) error {
	var e original
	if err := json.Unmarshal(data, &e); err != nil || e.ID == "" {
		return fmt.Errorf("%s sends events in a form that this program does not know", l.client.Stream)
	}
	if len(l.types) > 0 && !slices.ContainsFunc(l.types, func(t string) bool { return typeMatches(t, e.Type) }) {
		return nil
	}
	i := slices.IndexFunc(l.wanted, func(w wanted) bool { return w.takes(&e) })
	if i < 0 {
		return nil
	}
	typ := e.Type
	if typ == "" {
		typ = "message"
	}
	said, delivered := "not sent: it has come by this way three times already", true
	if e.Hops < tenants.MaxHops {
		said, delivered = l.forwarder.send(ctx, &e, l.wanted[i].forward.String())
	}
	if ctx.Err() != nil {
		return ctx.Err() // it is not dealt with: the next run does
	}
	if e.Decoded {
		said += "; decoded from gzip, so without the provider's signature"
	}
	l.printing.Lock()
	defer l.printing.Unlock()
	if !delivered && !l.advised {
		l.advised = true
		defer l.sh.say("what was not delivered is not tried again; POST %s/v1/events/{id}/replay has it come once more", l.client.API)
	}
	_, err := fmt.Fprintln(l.sh.stdout, time.Now().Format(time.TimeOnly), shown(fmt.Sprintf("%s#%d %s %s -> %s: %s", e.Channel, e.Seq, typ, e.ID, l.wanted[i].forward.Redacted(), said)))
	return err
}

func typeMatches(pattern, typ string) bool {
	if begins, any := strings.CutSuffix(pattern, "*"); any {
		return strings.HasPrefix(typ, begins)
	}
	return pattern == typ
}

func (l *listener) say(format string, args ...any) {
	l.printing.Lock()
	defer l.printing.Unlock()
	l.sh.say(format, args...)
}
