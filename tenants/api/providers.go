package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

// providerView is a row of the table of schemes, for people who set a source up.
type providerView struct {
	Name      string         `json:"name"`
	Title     string         `json:"title"`
	Docs      *string        `json:"docs"`
	Verifies  bool           `json:"verifies"`
	Signature *markView      `json:"signature"`
	Legacy    []markView     `json:"legacy_signatures"`
	Signed    *string        `json:"signed"`
	Timestamp *timestampView `json:"timestamp"`
	Secret    *secretTerms   `json:"secret"`
	ID        []placeView    `json:"delivery_id"`
	Type      []placeView    `json:"event_type"`
	SignsID   bool           `json:"signs_delivery_id"`
	Handshake bool           `json:"handshake"`
	Custom    string         `json:"custom"`
	Retry     retryView      `json:"retry"`
}

type markView struct {
	Header    string `json:"header"`
	Prefix    string `json:"prefix"`
	Algorithm string `json:"algorithm"`
	Encoding  string `json:"encoding"`
}

type timestampView struct {
	Header    string `json:"header"`
	Prefix    string `json:"prefix"`
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

type placeView struct {
	Header string `json:"header,omitempty"`
	Field  string `json:"field,omitempty"`
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

func viewProvider(s signing.Scheme) providerView {
	v := providerView{
		Name: s.Name, Title: s.Title, Docs: known(s.Docs), Verifies: !s.None(), Legacy: []markView{}, ID: viewPlaces(s.ID[:]), Type: viewPlaces(s.Type[:]),
		SignsID: s.SignsID(), Handshake: s.Handshake != signing.Handshake{}, Custom: string(s.Custom),
		Retry: retryView{known(seconds(s.Retry.Timeout)), known(int64(s.Retry.Attempts)), known(seconds(s.Retry.Span)), s.Retry.Note, known(s.Retry.Source)},
	}
	if s.Custom == signing.FixedTerms {
		v.Custom = "fixed"
	}
	if s.None() {
		return v
	}
	mark := viewMark(s.Mark)
	v.Signature, v.Signed = &mark, known(s.Signed)
	for _, m := range s.Legacy {
		if m.Header != "" {
			v.Legacy = append(v.Legacy, viewMark(m))
		}
	}
	if t := s.Timestamp; t.Header != "" {
		v.Timestamp = &timestampView{t.Header, t.Prefix, "s", seconds(t.Tolerance)}
		if t.Unit == time.Millisecond {
			v.Timestamp.Unit = "ms"
		}
	}
	v.Secret = &secretTerms{string(s.Key.Encoding), s.Key.Prefix, s.Key.Min, s.Key.Max, s.Key.Ours}
	return v
}

func viewMark(m signing.Mark) markView {
	return markView{m.Header, m.Prefix, string(m.Algorithm), string(m.Encoding)}
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

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// known is nil for a zero value, which stands for what is not known.
func known[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
