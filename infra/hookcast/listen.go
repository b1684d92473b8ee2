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
	sh            *shell
	client        *client
	subscriptions []subscription
	types         []string
	positions     *positions
	forwarder     *forwarder
	printing      sync.Mutex // held while a line is printed
	advised       bool       // the user has been told how to repeat events that were not delivered; guarded by printing
}

// discoveryInterval is the interval at which new channels of patterns and of sources' templates are looked up.
const discoveryInterval = 5 * time.Second

// listen forwards events until it is stopped or all channels have ended.
func listen(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("listen")
	forward := f.String("forward", "", "`URL` that events are forwarded to, for arguments without a URL of their own")
	resume := f.Bool("resume", false,
		"continue where the last run with the same arguments stopped (default: begin with new events)")
	timeout := f.Duration("timeout", 30*time.Second, "how long to wait for the program's response")
	wait := f.Duration("wait", 10*time.Second,
		"how long to retry while no program listens at the address, for example while it restarts")
	print := f.Bool("print-secret", false, "print the secret of Hookcast's own signature (Standard Webhooks) and exit")
	var types []string
	f.Func("type", "forward only events of this `type`; a * at the end matches anything; may be repeated",
		func(s string) error {
			types = append(types, s)
			return nil
		})
	rest, err := sh.parse(f, args)
	if err != nil {
		return err
	}
	if *timeout <= 0 || *wait < 0 {
		return failed(exitUsage, "-timeout and -wait must be durations such as 30s or 2m; only -wait may be 0")
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
		w, err := parseSubscription(arg, *forward)
		if err != nil {
			return err
		}
		l.subscriptions = append(l.subscriptions, w)
	}
	if l.client, err = open(sh); err != nil {
		return err
	}
	if len(rest) == 0 {
		return l.listSources(ctx)
	}
	if l.forwarder, err = newForwarder(sh, secret, *timeout, *wait); err != nil {
		return err
	}
	if err := l.prepare(ctx, dir, *resume, *forward, rest); err != nil {
		return err
	}
	return l.run(ctx)
}

// prepare opens the positions of a run with the arguments args and resolves the sources among them.
func (l *listener) prepare(ctx context.Context, dir string, resume bool, forward string, args []string) error {
	who, err := l.client.whoAmI(ctx)
	if err != nil {
		return err
	}
	if who.ID == "" {
		who.ID = tenants.DerivedID("", l.client.Key)
	}
	slices.Sort(args)
	parts := append([]string{l.client.API, who.ID, forward}, args...)
	if l.positions, err = openPositions(dir, resume, parts...); err != nil {
		return err
	}
	for i := range l.subscriptions {
		if err := l.subscriptions[i].resolve(ctx, l.client); err != nil {
			return err
		}
	}
	return nil
}

// listSources lists the sources that can be listened to, and returns a usage error.
func (l *listener) listSources(ctx context.Context) error {
	var sources struct {
		Data []struct{ ID, Name, Provider, Channel string }
	}
	if err := l.client.call(ctx, http.MethodGet, "/v1/sources?limit=100", nil, &sources); err != nil {
		return withRoleHint(err, "listing sources requires a key with the role admin or owner; name channels instead")
	}
	for _, s := range sources.Data {
		l.sh.say("%s  %s (%s) -> %s", s.ID, s.Name, s.Provider, s.Channel)
	}
	return failed(exitUsage, "nothing to listen to: name ids of sources, channels, or patterns such as orders.*")
}

// feed is a running follower.
type feed struct {
	channels []string
	stop     context.CancelFunc
	over     chan error // receives the follower's error once
}

// feeds are the running followers of a listener. Only the goroutine of run uses its fields.
type feeds struct {
	l       *listener
	ctx     context.Context // ends all feeds
	running sync.WaitGroup
	list    []*feed
	left    int        // feeds that have not ended
	ended   chan error // receives the error of each feed that ends without being stopped
}

// begin starts feeds for the channels, as few as possible.
func (fs *feeds) begin(channels []string) {
	for batch := range slices.Chunk(channels, tenants.MaxChannels) {
		ctx, stop := context.WithCancel(fs.ctx)
		fd := &feed{batch, stop, make(chan error, 1)}
		fs.list = append(fs.list, fd)
		fs.left++
		fs.running.Go(func() {
			err := fs.l.follow(ctx, batch)
			fd.over <- err
			if ctx.Err() != nil {
				return
			}
			select {
			case fs.ended <- err:
			case <-fs.ctx.Done():
			}
		})
	}
}

// add starts feeds for new channels. A connection takes a slot of the tenant's limit, so the last feed is replaced by
// one with more channels if it has room for them.
func (fs *feeds) add(found []string) {
	if n := len(fs.list); n > 0 && len(found) > 0 {
		last := fs.list[n-1]
		fits := len(last.channels)+len(found) <= tenants.MaxChannels
		if fits && len(last.over) == 0 && fs.l.positions.cursor(last.channels) != "" {
			last.stop()
			<-last.over
			found = append(slices.Clone(last.channels), found...)
			fs.list = fs.list[:n-1]
			fs.left--
		}
	}
	fs.begin(found)
}

// run listens to the channels that match now and to those that appear later.
func (l *listener) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	fs := &feeds{l: l, ctx: ctx, ended: make(chan error)}
	defer fs.running.Wait()
	defer cancel()
	channels, err := l.find(ctx, nil)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(channels, l.positions.known) { // an earlier run: channels created since are new as a whole
		for _, name := range channels {
			l.positions.begin(name, 0)
		}
	}
	fs.begin(channels)
	if l.growing() && len(channels) == 0 {
		l.say("no such channel exists yet; waiting for one")
	}
	look := time.NewTicker(discoveryInterval)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-fs.ended:
			if fs.left--; err != nil || fs.left == 0 && !l.growing() {
				return err
			}
		case <-look.C:
			if !l.growing() {
				continue
			}
			found, err := l.find(ctx, channels)
			if err != nil { // unless the key was refused, the streams report what is wrong
				if f, ok := errors.AsType[*failure](err); ok && f.exit == exitRefused {
					return err
				}
				continue
			}
			for _, name := range found {
				l.positions.begin(name, 0) // a new channel: all of its events are new
			}
			channels = append(channels, found...)
			fs.add(found)
		}
	}
}

// growing reports whether more channels may match later.
func (l *listener) growing() bool {
	return slices.ContainsFunc(l.subscriptions, func(w subscription) bool { return w.matches != nil })
}

// find returns the matching channels that are not among known.
func (l *listener) find(ctx context.Context, known []string) (channels []string, err error) {
	add := func(name string) {
		if !slices.Contains(known, name) && !slices.Contains(channels, name) {
			channels = append(channels, name)
		}
	}
	for _, w := range l.subscriptions {
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
		if slices.ContainsFunc(l.subscriptions, func(w subscription) bool {
			return w.matches != nil && w.matches(name)
		}) {
			add(name)
		}
	}
	return channels, nil
}

// follow forwards the events of the channels.
func (l *listener) follow(ctx context.Context, channels []string) error {
	f := &follower{client: l.client, channels: channels, cursor: l.positions.cursor(channels),
		query: url.Values{"format": {"original"}}, take: l.take, say: l.say, patience: l.sh.patience}
	f.moved = func(cursor string) {
		before := l.positions.err()
		l.positions.moved(channels, cursor)
		if err := l.positions.err(); err != nil && before == nil {
			l.say("cannot save the position, so -resume will repeat events: %v", err)
		}
	}
	return f.run(ctx)
}

// take forwards one event and prints a line about it.
func (l *listener) take(ctx context.Context, data []byte) error {
	var e original
	if err := json.Unmarshal(data, &e); err != nil || e.ID == "" {
		return fmt.Errorf("%s sends events in a format that this program does not know", l.client.Stream)
	}
	if len(l.types) > 0 && !slices.ContainsFunc(l.types, func(t string) bool { return typeMatches(t, e.Type) }) {
		return nil
	}
	i := slices.IndexFunc(l.subscriptions, func(w subscription) bool { return w.takes(&e) })
	if i < 0 {
		return nil
	}
	typ := e.Type
	if typ == "" {
		typ = "message"
	}
	said, delivered := "not sent: the event has been forwarded three times already", true
	if e.Hops < tenants.MaxHops {
		said, delivered = l.forwarder.send(ctx, &e, l.subscriptions[i].forward.String())
	}
	if ctx.Err() != nil {
		return ctx.Err() // the position does not move, so the next run repeats it
	}
	if e.Decoded {
		said += "; decoded from gzip, therefore without the provider's signature"
	}
	l.printing.Lock()
	defer l.printing.Unlock()
	if !delivered && !l.advised {
		l.advised = true
		defer l.sh.say("undelivered events are not retried; POST %s/v1/events/{id}/replay sends one again",
			l.client.API)
	}
	_, err := fmt.Fprintln(l.sh.stdout, time.Now().Format(time.TimeOnly),
		printable(fmt.Sprintf("%s#%d %s %s -> %s: %s", e.Channel, e.Seq, typ, e.ID,
			l.subscriptions[i].forward.Redacted(), said)))
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
