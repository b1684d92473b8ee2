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

// errEnough ends a follower that has shown as many events as were asked for.
var errEnough = errors.New("enough")

// tail prints events as they come: a line for people, or with -json the event as the API shows it.
func tail(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("tail")
	lines := f.Bool("json", false, "print each event as a line of JSON")
	since := f.String("since", "", "begin behind this `cursor` or number: 0 is the oldest event that is kept; without it, from now on")
	count := f.Int("count", 0, "end after so many `events`; 0: never")
	channels, err := sh.parse(f, args)
	if err != nil {
		return err
	}
	if err := checkChannels(channels); err != nil {
		return err
	}
	if *count < 0 {
		return failed(exitUsage, "-count is a number of events, or 0 for all")
	}
	c, err := open(sh)
	if err != nil {
		return err
	}
	seen := 0
	follow := &follower{client: c, channels: channels, cursor: *since, query: url.Values{"types": {"off"}}, say: sh.say, patience: sh.patience,
		take: func(_ context.Context, data []byte) error {
			if err := sh.show(data, *lines); err != nil {
				return err
			}
			if seen++; seen == *count {
				return errEnough
			}
			return nil
		}}
	if err := follow.run(ctx); err != errEnough {
		return err
	}
	return nil
}

// checkChannels refuses what cannot be one connection.
func checkChannels(channels []string) error {
	switch {
	case len(channels) == 0:
		return failed(exitUsage, "name a channel")
	case len(channels) > tenants.MaxChannels:
		return failed(exitUsage, "one connection takes %d channels at most", tenants.MaxChannels)
	}
	for _, name := range channels {
		if !tenants.ValidChannel(name) {
			return failed(exitUsage, "%q is no channel: a name is segments of a-z, 0-9, _ and - joined by dots", name)
		}
	}
	return nil
}

// say tells a person something beside the output.
func (sh *shell) say(format string, args ...any) {
	fmt.Fprintln(sh.stderr, shown(fmt.Sprintf(format, args...)))
}

// show prints an event.
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
		return fmt.Errorf("an event cannot be read: %w", err)
	}
	if e.Type == "" {
		e.Type = "message"
	}
	_, err := fmt.Fprintln(sh.stdout, e.Time.Local().Format(time.TimeOnly), shown(fmt.Sprintf("%s#%d %s %s", e.Channel, e.Seq, e.Type, e.Data)))
	return err
}
