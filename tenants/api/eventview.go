package api

import (
	"encoding/json"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/envelope"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// provenanceView says how an event was received. It is shown to holders of API keys, not to tokens.
type provenanceView struct {
	Scheme   string     `json:"scheme,omitempty"`
	Verified bool       `json:"verified"`
	Legacy   bool       `json:"legacy,omitempty"`
	SecretID string     `json:"secret_id,omitempty"`
	Signed   *time.Time `json:"signed_at,omitempty"`
	// Age is the signature's age at reception. It is negative if the provider's clock is ahead.
	Age        *float64 `json:"signature_age_seconds,omitempty"`
	DeliveryID string   `json:"delivery_id,omitempty"`
	Attempt    int      `json:"attempt,omitempty"`
	ReplayOf   string   `json:"replay_of,omitempty"`
	// Headers and Decoded are present only if the event is shown alone.
	Headers map[string]string `json:"headers,omitempty"`
	Decoded bool              `json:"decoded,omitempty"`
}

// viewEvent returns the event without the fields that are hidden from the caller, with its provenance.
func viewEvent(c *call, e *tenants.Event, hidden hidden.Hidden) json.RawMessage {
	return appendEvent(nil, c.who, e, hidden)
}

func appendEvent(b []byte, who tenants.Principal, e *tenants.Event, hidden hidden.Hidden) []byte {
	b = envelope.Append(b, *hidden.View(e))
	if e.Provenance == nil || who.TokenID != "" {
		return b
	}
	return appendProvenance(b, viewProvenance(e))
}

// viewWholeEvent is viewEvent with the headers of the request that brought the event.
func viewWholeEvent(c *call, e *tenants.Event, hidden hidden.Hidden) json.RawMessage {
	seen := hidden.View(e)
	b := envelope.Append(nil, *seen)
	if e.Provenance == nil || c.who.TokenID != "" {
		return b
	}
	v := viewProvenance(e)
	v.Headers, v.Decoded = seen.Provenance.Headers, seen.Provenance.Decoded
	return appendProvenance(b, v)
}

// viewProvenance returns the provenance as lists show it, without headers.
func viewProvenance(e *tenants.Event) provenanceView {
	p := e.Provenance
	v := provenanceView{Scheme: p.Scheme, Verified: p.Verified, Legacy: p.Legacy, SecretID: p.SecretID,
		DeliveryID: p.DeliveryID, Attempt: p.Attempt, ReplayOf: p.ReplayOf}
	if !p.Signed.IsZero() {
		v.Signed = new(p.Signed.UTC())
		if p.ReplayOf == "" { // the time of a copy is that of the replay
			v.Age = new(e.Time.Sub(p.Signed).Seconds())
		}
	}
	return v
}

// appendProvenance adds the member provenance to the JSON object at the end of b.
func appendProvenance(b []byte, v provenanceView) []byte {
	b = append(b[:len(b)-1], `,"provenance":`...)
	b = append(b, encode(v)...)
	return append(b, '}')
}
