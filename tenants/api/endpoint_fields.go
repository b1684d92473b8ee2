package api

import (
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// schedule reads the pauses between attempts, nil for null; the domain refuses pauses that are too long.
func (f *fields) schedule(name string) []time.Duration {
	if f.isNull(name) {
		return nil
	}
	raws := f.array(name, "whole numbers", tenants.MaxEndpointWaits)
	waits := make([]time.Duration, 0, len(raws))
	for _, raw := range raws {
		n, err := strconv.ParseInt(string(raw), 10, 32)
		if err != nil {
			f.refuse(name, "must be an array of whole numbers")
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
