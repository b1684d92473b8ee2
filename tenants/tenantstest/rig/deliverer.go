package rig

import (
	"context"

	"github.com/hookcast/hookcast/tenants"
)

// Told are the notices that the tenant is sent.
func (p *Post) Told() (events []tenants.Event) {
	p.t.Helper()
	rs, err := p.ingest.Receive(context.Background(), 100, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range rs {
		e, err := tenants.DecodeEvent(r.Body)
		if err != nil {
			p.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}
