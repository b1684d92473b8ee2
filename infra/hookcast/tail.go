package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// errEnough ends a follower that has shown the requested number of events.
var errEnough = errors.New("enough")

// tail prints events as they arrive, each as a readable line or, with -json, as the API returns it.
func tail(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("tail")
	lines := f.Bool("json", false, "print each event as a line of JSON")
	since := f.String("since", "", "begin after this `cursor` or sequence number; 0 begins with the oldest stored "+
		"event (default: begin with new events)")
	count := f.Int("count", 0, "exit after this number of `events`; 0 means never")
	channels, err := sh.parse(f, args)
	if err != nil {
		return err
	}
	if err := checkChannels(channels); err != nil {
		return err
	}
	if *count < 0 {
		return failed(exitUsage, "-count must not be negative")
	}
	c, err := open(sh)
	if err != nil {
		return err
	}
	seen := 0
	follow := &follower{client: c, channels: channels, cursor: *since, query: url.Values{"types": {"off"}},
		say: sh.say, patience: sh.patience,
		take: func(_ context.Context, data []byte) error {
			if err := sh.show(data, *lines); err != nil {
				return err
			}
			if seen++; seen == *count {
				return errEnough
			}
			return nil
		}}
	if err := follow.run(ctx); !errors.Is(err, errEnough) {
		return err
	}
	return nil
}

// checkChannels checks the channels of one connection.
func checkChannels(channels []string) error {
	switch {
	case len(channels) == 0:
		return failed(exitUsage, "no channel given")
	case len(channels) > tenants.MaxChannels:
		return failed(exitUsage, "too many channels: a connection has at most %d", tenants.MaxChannels)
	}
	for _, name := range channels {
		if !tenants.ValidChannel(name) {
			return failed(exitUsage,
				"%q is not a valid channel: a name consists of segments of a-z, 0-9, _ and - joined by dots", name)
		}
	}
	return nil
}

// say prints a message for the user to stderr.
func (sh *shell) say(format string, args ...any) {
	fmt.Fprintln(sh.stderr, printable(fmt.Sprintf(format, args...)))
}

// show prints an event, with lines as a line of JSON.
func (sh *shell) show(data []byte, lines bool) error {
	if lines {
		_, err := fmt.Fprintf(sh.stdout, "%s\n", data)
		return err
	}
	var e struct {
		Channel, Type, Encoding string
		Seq                     int64
		Time                    time.Time
		Data                    json.RawMessage
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("cannot read an event: %w", err)
	}
	if e.Type == "" {
		e.Type = "message"
	}
	_, err := fmt.Fprintln(sh.stdout, e.Time.Local().Format(time.TimeOnly),
		printable(fmt.Sprintf("%s#%d %s %s", e.Channel, e.Seq, e.Type, e.Data)))
	return err
}
