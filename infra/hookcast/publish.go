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

// publish sends one event.
func publish(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("publish")
	typ := f.String("type", "note", "the event's `type`")
	id := f.String("id", "", "an `id` of your own, by which a repeat is known")
	text := f.Bool("text", false, "the payload is text and no JSON")
	last := f.Bool("end", false, "the channel ends with this event")
	rest, err := sh.parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 || len(rest) > 2 {
		return failed(exitUsage, "name a channel, and give the payload behind it (in quotes) or on standard input")
	}
	if err := checkChannels(rest[:1]); err != nil {
		return err
	}
	var payload []byte
	if len(rest) == 2 && rest[1] != "-" {
		payload = []byte(rest[1])
	} else if payload, err = sh.payload(ctx, "", maxPublish, fmt.Sprintf("an event has %d KiB at most; keep it elsewhere, and publish its address", tenants.MaxEventBytes>>10)); err != nil {
		return err
	}
	if *text {
		if !utf8.Valid(payload) { // JSON would put other characters in its place
			return failed(exitUsage, "the payload is no text in UTF-8; send bytes in base64, in a JSON string, or by a webhook to a source, which keeps them as they are")
		}
		if payload, err = json.Marshal(string(payload)); err != nil {
			return err
		}
	} else if len(bytes.TrimSpace(payload)) == 0 {
		return failed(exitUsage, "the payload is empty: give JSON, such as '{\"total\":42}'")
	} else if !json.Valid(payload) {
		return failed(exitUsage, "the payload is no JSON; -text sends it as a text")
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
		return needs(err, "to publish takes a key of the role publisher, admin or owner")
	}
	is := "accepted for"
	if made.Duplicate {
		is = "already in"
	}
	fmt.Fprintf(sh.stdout, "%s is %s %s; %d listening\n", made.ID, is, made.Channel, made.Subscribers)
	return nil
}
