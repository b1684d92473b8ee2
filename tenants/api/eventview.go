package api

import (
	"encoding/json"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/envelope"
)

// provenanceView says how an event came in. It is for those who hold the tenant's keys: a page has no use for it.
type provenanceView struct {
	Scheme     string     `json:"scheme,omitempty"`
	Verified   bool       `json:"verified"`
	Legacy     bool       `json:"legacy,omitempty"`
	SecretID   string     `json:"secret_id,omitempty"`
	Signed     *time.Time `json:"signed_at,omitempty"`
	Age        *float64   `json:"signature_age_seconds,omitempty"` // when it was received; below zero where the provider's clock is ahead
	DeliveryID string     `json:"delivery_id,omitempty"`
	Attempt    int        `json:"attempt,omitempty"`
	ReplayOf   string     `json:"replay_of,omitempty"`
}

// viewEvent is the event as the caller may see it, with its provenance.
func viewEvent(c *call, e *tenants.Event, hidden tenants.Hidden) json.RawMessage {
	return appendEvent(nil, c.who, e, hidden)
}

func appendEvent(b []byte, who tenants.Principal, e *tenants.Event, hidden tenants.Hidden) []byte {
	b = envelope.Append(b, *hidden.View(e))
	p := e.Provenance
	if p == nil || who.TokenID != "" {
		return b
	}
	v := provenanceView{Scheme: p.Scheme, Verified: p.Verified, Legacy: p.Legacy, SecretID: p.SecretID, DeliveryID: p.DeliveryID, Attempt: p.Attempt, ReplayOf: p.ReplayOf}
	if !p.Signed.IsZero() {
		v.Signed = new(p.Signed.UTC())
		if p.ReplayOf == "" { // a copy has the time of its making
			v.Age = new(e.Time.Sub(p.Signed).Seconds())
		}
	}
	b = append(b[:len(b)-1], `,"provenance":`...)
	b = append(b, encode(v)...)
	return append(b, '}')
}
