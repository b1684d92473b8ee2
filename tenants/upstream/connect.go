package upstream

import (
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hookcast/hookcast/tenants"
)

const (
	maxRedirects = 5
	excerptRead  = 4 << 10 // of which secrets are cut out first, so that none is cut in two
	excerptShown = 1 << 10
	comeBack     = 5 * time.Second // advice about a failure that may pass
)

// errNoContent is the other server's word that there is no more: 204.
var errNoContent = errors.New("upstream: 204")

// connect asks for the stream from lastID on. nil body: an error, which is errNoContent or a *tenants.Error of kind BadGateway, one that
// may pass with a RetryAfter.
func (s *Stream) connect(ctx context.Context) (*body, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(s.o.FirstByte, func() { cancel(errSlow) })
	defer late.Stop()
	answer, err := s.ask(ctx)
	if err == nil && !late.Stop() {
		answer.Body.Close()
		err = unreachable(tenants.FailureTimeout)
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	if err := s.refuse(answer); err != nil {
		answer.Body.Close()
		cancel(nil)
		return nil, err
	}
	return newBody(answer.Body, s.o.Idle, cancel), nil
}

// ask makes the request, and again where a redirect leads that is to be followed.
func (s *Stream) ask(ctx context.Context) (*http.Response, error) {
	o := s.o.Request
	o.Header = maps.Clone(o.Header)
	if o.Header == nil {
		o.Header = make(map[string][]string)
	}
	o.Header["Accept"], o.Header["Cache-Control"] = []string{"text/event-stream"}, []string{"no-store"}
	if s.lastID != "" && resumable(s.lastID) {
		o.Header["Last-Event-Id"] = []string{s.lastID}
	}
	for hops := 0; ; hops++ {
		answer, failure := s.o.Opener.Open(ctx, o)
		if failure != "" {
			if context.Cause(ctx) == errSlow {
				failure = tenants.FailureTimeout
			}
			return nil, unreachable(failure)
		}
		next, follow := s.redirected(o, answer)
		if !follow || hops == maxRedirects {
			return answer, nil
		}
		answer.Body.Close()
		o.URL = next
	}
}

// redirected tells where an answer leads, if that is to be followed.
func (s *Stream) redirected(o tenants.Outgoing, answer *http.Response) (string, bool) {
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if o.Method != http.MethodGet {
			return "", false
		}
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return "", false
	}
	from, err := url.Parse(o.URL)
	if err != nil || !s.o.Redirects {
		return "", false
	}
	to, err := from.Parse(answer.Header.Get("Location"))
	if err != nil || answer.Header.Get("Location") == "" || to.Scheme != from.Scheme || !strings.EqualFold(to.Host, from.Host) || to.User != nil {
		return "", false
	}
	to.Fragment, to.RawFragment = "", ""
	return to.String(), true
}

// refuse says why an answer is no event stream; nil where it is one.
func (s *Stream) refuse(answer *http.Response) error {
	encoding := strings.TrimSpace(answer.Header.Get("Content-Encoding"))
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	switch {
	case answer.StatusCode == http.StatusNoContent:
		return errNoContent
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return s.shown(answer, "upstream_redirect", "The other server answers with a redirect that is not followed.")
	case answer.StatusCode != http.StatusOK:
		return s.shown(answer, "upstream_status", "The other server answered "+strconv.Itoa(answer.StatusCode)+", not 200.")
	case !strings.EqualFold(strings.TrimSpace(kind), "text/event-stream"):
		return s.shown(answer, "upstream_media_type", "The other server's answer is no text/event-stream.")
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return s.shown(answer, "upstream_encoding", "The other server's answer comes with a Content-Encoding that nobody asked for.")
	}
	return nil
}

// shown makes the error about an answer, with as much of it as may be shown.
func (s *Stream) shown(answer *http.Response, code, detail string) error {
	e := tenants.Errorf(tenants.BadGateway, code, "%s", detail)
	e.Upstream = &tenants.UpstreamAnswer{Status: answer.StatusCode, ContentType: s.cut(answer.Header.Get("Content-Type"), 128)}
	if textual(answer.Header) {
		b, _ := io.ReadAll(io.LimitReader(answer.Body, excerptRead))
		e.Upstream.Excerpt = s.cut(string(b), excerptShown)
	}
	switch code := answer.StatusCode; {
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		e.RetryAfter = comeBack
		if n, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && n > 0 {
			e.RetryAfter = min(time.Duration(n)*time.Second, longestPause)
		}
	}
	return e
}

// cut makes text fit to be shown: without secrets, on one line, and not longer than max bytes.
func (s *Stream) cut(text string, max int) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, s.o.Redact(strings.ToValidUTF8(text, "\ufffd")))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > max {
		text = strings.ToValidUTF8(text[:max], "") + "…"
	}
	return text
}

// textual tells whether a body is one that people can read.
func textual(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && h.Get("Content-Encoding") == "" && (strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml"))
}

// unreachable is the error about an answer that never came.
func unreachable(f tenants.Failure) error {
	code, detail, passing := "upstream_unreachable", "The other server cannot be reached ("+string(f)+").", true
	switch f {
	case tenants.FailureURL, tenants.FailureBlocked:
		code, detail, passing = "upstream_blocked", "The other server's address is none that may be reached.", false
	case tenants.FailureTimeout:
		code, detail = "upstream_timeout", "The other server did not answer in time."
	}
	e := tenants.Errorf(tenants.BadGateway, code, "%s", detail)
	if passing {
		e.RetryAfter = comeBack
	}
	return e
}

const maxLastID = 1 << 10 // bytes of an id that go into a header

// resumable tells whether an id can go into a header (RFC 9110 section 5.5).
func resumable(id string) bool {
	if len(id) > maxLastID || strings.TrimSpace(id) != id {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
