package api

import (
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
)

// schedule reads the pauses between attempts in seconds, nil for null. The domain checks their range.
func (f *fields) schedule(name string) []time.Duration {
	if f.isNull(name) {
		return nil
	}
	raws := f.array(name, "whole numbers", endpoint.MaxWaits)
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

// testEventOf reads the event of a test, nil if there is none. It gets the time of the call.
func testEventOf(f *fields) (*tenants.Event, error) {
	e, err := f.object("event")
	if err != nil || e == nil {
		return nil, err
	}
	e.require("channel", "type", "data")
	ev := &tenants.Event{Channel: e.text("channel"), Type: e.text("type"), Data: e.raw("data"),
		ContentType: "application/json", Time: time.Now().UTC()}
	e.refuseUnknown()
	if !tenants.ValidChannel(ev.Channel) {
		e.refuse("channel", "must be the name of a channel")
	}
	if err := tenants.CheckType(ev.Type); err != nil {
		e.refuse("type", "must be an event type: 1 to 128 letters, digits and . _ : / -, not a reserved type")
	}
	if len(ev.Data) > tenants.MaxEventBytes {
		e.refuse("data", "must have at most "+strconv.Itoa(tenants.MaxEventBytes)+" bytes")
	}
	return ev, nil
}
