package api

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// filterOf reads an expression: a text that may have several lines.
func filterOf(f *fields) string {
	var text string
	if raw := f.raw("filter"); raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		f.refuse("filter", "must be a string")
		return ""
	}
	for _, c := range text {
		if unicode.IsControl(c) && c != '\n' && c != '\r' && c != '\t' || c == utf8.RuneError {
			f.refuse("filter", "must not hold control characters other than line breaks and tabs")
			return ""
		}
	}
	return text
}

// scheduleOf reads the waits between attempts; the domain says what is too much.
func scheduleOf(f *fields) []time.Duration {
	var raws []json.RawMessage
	if raw := f.raw("schedule_seconds"); raw[0] != '[' || json.Unmarshal(raw, &raws) != nil {
		f.refuse("schedule_seconds", "must be an array of whole numbers")
		return nil
	}
	if len(raws) > tenants.MaxEndpointWaits {
		f.refuse("schedule_seconds", "must have at most 20 elements")
		return nil
	}
	waits := make([]time.Duration, 0, len(raws))
	for _, raw := range raws {
		n, err := strconv.ParseInt(string(raw), 10, 32)
		if err != nil {
			f.refuse("schedule_seconds", "must be an array of whole numbers")
			return nil
		}
		waits = append(waits, time.Duration(n)*time.Second)
	}
	return waits
}

// testEventOf reads the event of a test: as if it came by that channel.
func testEventOf(f *fields) (*tenants.Event, error) {
	e, err := f.object("event")
	if err != nil || e == nil {
		return nil, err
	}
	e.require("channel", "type", "data")
	ev := &tenants.Event{Channel: e.text("channel"), Type: e.text("type"), Data: e.raw("data"), ContentType: "application/json", Time: time.Now().UTC()}
	e.refuseUnknown()
	if !tenants.ValidChannel(ev.Channel) {
		e.refuse("channel", "must be a channel's name")
	}
	if err := tenants.ValidType(ev.Type); err != nil {
		e.refuse("type", "must be an event's type: 1 to 128 letters, digits and . _ : / -, and no reserved one")
	}
	if len(ev.Data) > tenants.MaxEventBytes {
		e.refuse("data", "is larger than an event can be")
	}
	return ev, nil
}
