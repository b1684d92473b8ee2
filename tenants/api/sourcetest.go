package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
)

// verdictView says whether a request would be accepted, and if not which step failed. It contains no secret and no
// signature.
type verdictView struct {
	Verified   bool     `json:"verified"`
	Step       string   `json:"step,omitempty"`
	Code       string   `json:"code,omitempty"`
	Detail     string   `json:"detail,omitempty"`
	Skew       *int64   `json:"skew_seconds,omitempty"`
	Hints      []string `json:"hints"`
	SecretID   string   `json:"secret_id,omitempty"`
	DeliveryID string   `json:"delivery_id,omitempty"`
	Type       string   `json:"event_type,omitempty"`
	Notes      []string `json:"notes"`
}

// stepOf maps the codes of package signing to steps of the verification.
var stepOf = map[signing.Code]string{
	signing.NoSecret:            "secret",
	signing.UnknownScheme:       "secret",
	signing.SignatureMissing:    "header",
	signing.LegacySignature:     "header",
	signing.SignatureDuplicate:  "header",
	signing.DeliveryIDMissing:   "header",
	signing.SignatureMalformed:  "format",
	signing.TooManySignatures:   "format",
	signing.TimestampMissing:    "timestamp",
	signing.TimestampMalformed:  "timestamp",
	signing.TimestampOutOfRange: "timestamp",
	signing.BodyNotSigned:       "body",
	signing.CertificateMissing:  "certificate",
	signing.CertificateRefused:  "certificate",
	signing.SignatureMismatch:   "signature",
}

// refusalView is the verdict on a request that fails the verification.
func (a *API) refusalView(
	c *call, s source.Source, secrets []signing.Secret, r signing.Request, e *signing.Error, now time.Time,
) verdictView {
	v := verdictView{Step: stepOf[e.Code], Code: e.Code, Detail: e.Detail, Hints: []string{}, Notes: []string{}}
	if e.Code == signing.TimestampOutOfRange {
		v.Skew = new(seconds(e.Skew))
		v.Hints = append(v.Hints, "the signature is valid; only the timestamp is out of range")
	}
	v.Hints = append(v.Hints, a.Verifier.Hints(c.ctx, s, secrets, r, now)...)
	return v
}

// testSource verifies a recorded request by a source's signature rules. It does not enqueue the request.
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
	query := strings.TrimPrefix(c.fields.text("query"), "?")
	if strings.ContainsAny(query, "# ") || len(query) > maxTestQuery {
		c.fields.refuse("query", "must be the query of a URL, at most 4096 bytes")
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
	if request.URL = a.sourceURL(token); query != "" {
		request.URL += "?" + query
	}
	now := time.Now()
	v, err := a.Verifier.Verify(c.ctx, s, secrets, request, now)
	if refusal, ok := errors.AsType[*signing.Error](err); ok {
		return answer{http.StatusOK, a.refusalView(c, s, secrets, request, refusal, now)}, nil
	}
	if err != nil {
		return answer{}, err
	}
	view := verdictView{Verified: true, Hints: []string{}, DeliveryID: v.DeliveryID, Type: v.Type,
		Notes: append([]string{}, v.Notes...)}
	if v.Secret >= 0 && v.Secret < len(s.Secrets) {
		view.SecretID = s.Secrets[v.Secret].ID
	}
	return answer{http.StatusOK, view}, nil
}

const (
	maxTestHeaders = 100
	maxTestQuery   = 4096
)

// requestOf reads the recorded request: headers, each a string or an array of strings, and the body as text or base64.
func requestOf(f *fields) (signing.Request, error) {
	r := signing.Request{Method: http.MethodPost, Header: make(map[string][]string)}
	if f.has("method") {
		if r.Method = f.text("method"); r.Method != http.MethodPost && r.Method != http.MethodGet {
			f.refuse("method", "must be POST or GET")
		}
	}
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
		f.refuse("body_base64", "must not be given together with body")
	case f.has("body"):
		var text *string // a payload may contain control characters
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
