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
	// Only where the event is shown alone.
	Headers map[string]string `json:"headers,omitempty"`
	Decoded bool              `json:"decoded,omitempty"`
}

// viewEvent is the event as the caller may see it, with its provenance.
func viewEvent(c *call, e *tenants.Event, hidden tenants.Hidden) json.RawMessage {
	return appendEvent(nil, c.who, e, hidden)
}

func appendEvent(b []byte, who tenants.Principal, e *tenants.Event, hidden tenants.Hidden) []byte {
	b = envelope.Append(b, *hidden.View(e))
	if e.Provenance == nil || who.TokenID != "" {
		return b
	}
	return appendProvenance(b, viewProvenance(e))
}

// viewWholeEvent is viewEvent with the headers that came with the event.
func viewWholeEvent(c *call, e *tenants.Event, hidden tenants.Hidden) json.RawMessage {
	seen := hidden.View(e)
	b := envelope.Append(nil, *seen)
	if e.Provenance == nil || c.who.TokenID != "" {
		return b
	}
	v := viewProvenance(e)
	v.Headers, v.Decoded = seen.Provenance.Headers, seen.Provenance.Decoded
	return appendProvenance(b, v)
}

// viewProvenance is what every list shows of how an event came in.
func viewProvenance(e *tenants.Event) provenanceView {
	p := e.Provenance
	v := provenanceView{Scheme: p.Scheme, Verified: p.Verified, Legacy: p.Legacy, SecretID: p.SecretID, DeliveryID: p.DeliveryID, Attempt: p.Attempt, ReplayOf: p.ReplayOf}
	if !p.Signed.IsZero() {
		v.Signed = new(p.Signed.UTC())
		if p.ReplayOf == "" { // a copy has the time of its making
			v.Age = new(e.Time.Sub(p.Signed).Seconds())
		}
	}
	return v
}

// appendProvenance appends a member to the object at b's end.
func appendProvenance(b []byte, v provenanceView) []byte {
	b = append(b[:len(b)-1], `,"provenance":`...)
	b = append(b, encode(v)...)
	return append(b, '}')
}
