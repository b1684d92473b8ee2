package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/textproto"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

// verdictView says whether a request would be believed, and if not which step failed. It holds nothing that the sender does not
// have: no secret, no signature.
type verdictView struct {
	Verified   bool     `json:"verified"`
	Code       string   `json:"code,omitempty"`
	Detail     string   `json:"detail,omitempty"`
	SecretID   string   `json:"secret_id,omitempty"`
	DeliveryID string   `json:"delivery_id,omitempty"`
	Type       string   `json:"event_type,omitempty"`
	Notes      []string `json:"notes"`
}

// testSource holds a recorded request against a source's signature rules, and enqueues nothing.
func (a *API) testSource(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixSource)
	if err != nil {
		return answer{}, err
	}
	c.fields.require("headers")
	request, err := requestOf(c.fields)
	if err != nil {
		return answer{}, err
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	s, err := a.Sources.Get(c.ctx, c.who.Tenant, id)
	if err != nil {
		return answer{}, err
	}
	token, err := a.Sources.Token(c.ctx, s)
	if err != nil {
		return answer{}, err
	}
	s, secrets, err := a.Sources.ByToken(c.ctx, token)
	if err != nil {
		return answer{}, err
	}
	scheme, err := s.Scheme()
	if err != nil {
		return answer{}, err
	}
	request.Method, request.URL = http.MethodPost, a.sourceURL(token)
	v, err := scheme.Verify(request, secrets, time.Now(), signing.Options{Tolerance: s.Tolerance, AllowLegacy: s.AllowLegacy})
	if refusal, ok := errors.AsType[*signing.Error](err); ok {
		return answer{http.StatusOK, verdictView{Code: refusal.Code, Detail: refusal.Detail, Notes: []string{}}}, nil
	}
	if err != nil {
		return answer{}, err
	}
	view := verdictView{Verified: true, DeliveryID: v.DeliveryID, Type: v.Type, Notes: append([]string{}, v.Notes...)}
	if v.Secret >= 0 && v.Secret < len(s.Secrets) {
		view.SecretID = s.Secrets[v.Secret].ID
	}
	return answer{http.StatusOK, view}, nil
}

const maxTestHeaders = 100

// requestOf reads the recorded request: headers, each a string or an array of strings, and the body as text or as base64.
func requestOf(f *fields) (signing.Request, error) {
	r := signing.Request{Header: make(map[string][]string)}
	headers, err := f.object("headers")
	if err != nil {
		return r, err
	}
	if headers != nil {
		if len(headers.order) > maxTestHeaders {
			f.refuse("headers", "must have at most 100 members")
			return r, nil
		}
		for _, name := range headers.order {
			values := []string{}
			if raw := headers.raw(name); raw[0] == '[' {
				values = headers.texts(name, maxTestHeaders)
			} else {
				values = append(values, headers.text(name))
			}
			canonical := textproto.CanonicalMIMEHeaderKey(name)
			r.Header[canonical] = append(r.Header[canonical], values...)
		}
	}
	switch {
	case f.has("body") && f.has("body_base64"):
		f.refuse("body_base64", "must not be there beside body")
	case f.has("body"):
		var text *string // control characters are the payload's own
		if json.Unmarshal(f.raw("body"), &text) != nil || text == nil {
			f.refuse("body", "must be a string")
			break
		}
		r.Body = []byte(*text)
	case f.has("body_base64"):
		if r.Body, err = base64.StdEncoding.DecodeString(f.text("body_base64")); err != nil {
			f.refuse("body_base64", "must be base64")
		}
	}
	return r, nil
}
