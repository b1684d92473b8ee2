package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

// providerView is a signature scheme, for people who set up a source.
type providerView struct {
	Name        string           `json:"name"`
	Title       string           `json:"title"`
	Docs        *string          `json:"docs"`
	Verifies    bool             `json:"verifies"`
	Signature   *markView        `json:"signature"`
	Alternative *alternativeView `json:"alternative"`
	Legacy      []markView       `json:"legacy_signatures"`
	Signed      *string          `json:"signed"`
	Covers      string           `json:"covers"`
	Timestamp   *timestampView   `json:"timestamp"`
	Secret      *secretTerms     `json:"secret"`
	Certificate *certificateView `json:"certificate"`
	ID          []placeView      `json:"delivery_id"`
	Type        []placeView      `json:"event_type"`
	SignsID     bool             `json:"signs_delivery_id"`
	Methods     []string         `json:"methods"`
	Handshakes  []handshakeView  `json:"handshakes"`
	Custom      string           `json:"custom"`
	Retry       retryView        `json:"retry"`
}

type markView struct {
	Header    string `json:"header,omitempty"`
	Field     string `json:"field,omitempty"`
	Numbered  int    `json:"numbered,omitempty"`
	Prefix    string `json:"prefix"`
	Algorithm string `json:"algorithm"`
	Encoding  string `json:"encoding"`
	Signed    string `json:"signed,omitempty"`
}

type alternativeView struct {
	Signature markView    `json:"signature"`
	Secret    secretTerms `json:"secret"`
}

type timestampView struct {
	Header    string `json:"header,omitempty"`
	Prefix    string `json:"prefix"`
	Field     string `json:"field,omitempty"`
	Unit      string `json:"unit"`
	Tolerance int64  `json:"tolerance_seconds"`
}

type secretTerms struct {
	Encoding string `json:"encoding"`
	Prefix   string `json:"prefix"`
	Min      int    `json:"min_bytes"`
	Max      int    `json:"max_bytes"`
	Ours     bool   `json:"generated"`
}

type certificateView struct {
	Header string `json:"header"`
	Hosts  string `json:"hosts"`
	Names  string `json:"names"`
}

type placeView struct {
	Header string `json:"header,omitempty"`
	Field  string `json:"field,omitempty"`
	Body   bool   `json:"body,omitempty"`
}

type handshakeView struct {
	Method      string `json:"method"`
	In          string `json:"in"`
	When        string `json:"when"`
	Equals      string `json:"equals,omitempty"`
	Signed      bool   `json:"signed"`
	VerifyToken bool   `json:"verify_token"`
}

type retryView struct {
	Timeout  *int64  `json:"timeout_seconds"`
	Attempts *int64  `json:"attempts"`
	Span     *int64  `json:"span_seconds"`
	Note     string  `json:"note"`
	Source   *string `json:"source"`
}

func (a *API) listProviders(*call) (answer, error) {
	schemes := signing.Schemes()
	views := make([]providerView, 0, len(schemes))
	for _, s := range schemes {
		views = append(views, viewProvider(s))
	}
	return answer{http.StatusOK, list{Data: views}}, nil
}

func (a *API) getProvider(c *call) (answer, error) {
	s, found := signing.Lookup(c.r.PathValue("name"))
	if !found {
		return answer{}, tenants.Errorf(tenants.NotFound, "provider_not_found", "there is no provider of that name")
	}
	return answer{http.StatusOK, viewProvider(s)}, nil
}

func viewProvider(s signing.Scheme) providerView {
	v := providerView{
		Name: s.Name, Title: s.Title, Docs: nullable(s.Docs), Verifies: !s.None(), Legacy: []markView{},
		ID: viewPlaces(s.ID[:]), Type: viewPlaces(s.Type[:]), Covers: string(s.Covers()), SignsID: s.SignsID(),
		Methods: s.Methods(), Handshakes: viewHandshakes(s), Custom: string(s.Custom),
		Retry: retryView{nullable(seconds(s.Retry.Timeout)), nullable(int64(s.Retry.Attempts)),
			nullable(seconds(s.Retry.Span)), s.Retry.Note, nullable(s.Retry.Source)},
	}
	if s.Custom == signing.FixedTerms {
		v.Custom = "fixed"
	}
	if s.None() {
		return v
	}
	mark := viewMark(s.Mark)
	v.Signature, v.Signed = &mark, nullable(s.Signed)
	if s.Also != (signing.Way{}) {
		v.Alternative = &alternativeView{viewMark(s.Also.Mark), viewTerms(s.Also.Key)}
	}
	for _, m := range s.Legacy {
		if m.Header != "" {
			v.Legacy = append(v.Legacy, viewMark(m))
		}
	}
	if t := s.Timestamp; t.Unit != "" {
		v.Timestamp = &timestampView{t.Header, t.Prefix, t.Field, string(t.Unit), seconds(t.Tolerance)}
	}
	v.Secret = new(viewTerms(s.Key))
	if p := s.Certificate; p != (signing.Pin{}) {
		v.Certificate = &certificateView{p.Header, p.Hosts, p.Names}
	}
	return v
}

func viewMark(m signing.Mark) markView {
	return markView{m.Header, m.Field, m.Numbered, m.Prefix, string(m.Algorithm), string(m.Encoding), m.Signed}
}

func viewTerms(k signing.Key) secretTerms {
	return secretTerms{string(k.Encoding), k.Prefix, k.Min, k.Max, k.Ours}
}

func viewPlaces(places []signing.Place) []placeView {
	views := make([]placeView, 0, len(places))
	for _, p := range places {
		if p != (signing.Place{}) {
			views = append(views, placeView(p))
		}
	}
	return views
}

func viewHandshakes(s signing.Scheme) []handshakeView {
	views := []handshakeView{}
	for _, h := range s.Handshakes {
		if h != (signing.Handshake{}) {
			views = append(views, handshakeView{h.Method, string(h.In), h.When, h.Equals, h.Signed, h.Token != ""})
		}
	}
	return views
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// nullable returns nil for the zero value, which means that the value is not known.
func nullable[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
