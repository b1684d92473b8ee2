package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// publish publishes one event.
func publish(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("publish")
	typ := f.String("type", "note", "the event's `type`")
	id := f.String("id", "", "an `id` of your own, by which a repeat is recognized")
	text := f.Bool("text", false, "the payload is plain text, not JSON")
	last := f.Bool("end", false, "end the channel with this event")
	rest, err := sh.parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 || len(rest) > 2 {
		return failed(exitUsage,
			"expected a channel and a payload: give the payload as the second argument (quoted) or on standard input")
	}
	if err := checkChannels(rest[:1]); err != nil {
		return err
	}
	payload, err := sh.eventData(ctx, rest[1:], *text)
	if err != nil {
		return err
	}
	c, err := open(sh)
	if err != nil {
		return err
	}
	body := map[string]any{"type": *typ, "data": json.RawMessage(payload)}
	if *id != "" {
		body["id"] = *id
	}
	if *last {
		body["end"] = true
	}
	var made struct {
		ID, Channel string
		Subscribers int
		Duplicate   bool
	}
	if err := c.call(ctx, http.MethodPost, "/v1/channels/"+rest[0]+"/events", body, &made); err != nil {
		return withRoleHint(err, "publishing requires a key with the role publisher, admin or owner")
	}
	is := "accepted for"
	if made.Duplicate {
		is = "already in"
	}
	fmt.Fprintf(sh.stdout, "%s is %s %s; %d listening\n", made.ID, is, made.Channel, made.Subscribers)
	return nil
}

// eventData returns the payload in args, or the one on standard input, as JSON. With text it is plain text.
func (sh *shell) eventData(ctx context.Context, args []string, text bool) (payload []byte, err error) {
	if len(args) == 1 && args[0] != "-" {
		payload = []byte(args[0])
	} else {
		advice := fmt.Sprintf("an event has at most %d KiB; store the data elsewhere and publish its address",
			tenants.MaxEventBytes>>10)
		if payload, err = sh.payload(ctx, "", maxPublish, advice); err != nil {
			return nil, err
		}
	}
	switch {
	case text && !utf8.Valid(payload): // json.Marshal would replace bytes
		return nil, failed(exitUsage, "the payload is not valid UTF-8: send bytes as base64 in a JSON string, or as "+
			"a webhook to a source, which keeps them unchanged")
	case text:
		return json.Marshal(string(payload))
	case len(bytes.TrimSpace(payload)) == 0:
		return nil, failed(exitUsage, "the payload is empty: give JSON, such as '{\"total\":42}'")
	case !json.Valid(payload):
		return nil, failed(exitUsage, "the payload is not valid JSON: -text sends it as plain text")
	}
	return payload, nil
}
