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
	maxRedirects      = 5
	excerptRead       = 4 << 10 // secrets are removed before the excerpt is cut, so none is cut in two
	excerptShown      = 1 << 10
	defaultRetryAfter = 5 * time.Second // advice after a temporary failure
)

// errNoContent says that the other server ended the stream with 204.
var errNoContent = errors.New("upstream: the other server answered 204")

// connect requests the stream after lastID. If body is nil, the error is errNoContent or a *tenants.Error of kind
// BadGateway, with a RetryAfter if the failure may be temporary.
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

// ask sends the request and follows redirects.
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
			if errors.Is(context.Cause(ctx), errSlow) {
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

// redirected returns the target of a redirect, and whether to follow it.
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
	if err != nil || answer.Header.Get("Location") == "" || to.Scheme != from.Scheme ||
		!strings.EqualFold(to.Host, from.Host) || to.User != nil {
		return "", false
	}
	to.Fragment, to.RawFragment = "", ""
	return to.String(), true
}

// refuse returns why an answer is not an event stream, or nil.
func (s *Stream) refuse(answer *http.Response) error {
	encoding := strings.TrimSpace(answer.Header.Get("Content-Encoding"))
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	switch {
	case answer.StatusCode == http.StatusNoContent:
		return errNoContent
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return s.answerError(answer, "upstream_redirect",
			"the other server answered with a redirect, which is not followed")
	case answer.StatusCode != http.StatusOK:
		return s.answerError(answer, "upstream_status", "the other server answered "+strconv.Itoa(answer.StatusCode)+
			", not 200")
	case !strings.EqualFold(strings.TrimSpace(kind), "text/event-stream"):
		return s.answerError(answer, "upstream_media_type", "the other server's answer must be text/event-stream")
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return s.answerError(answer, "upstream_encoding", "the other server's answer must have no Content-Encoding")
	}
	return nil
}

// answerError returns the error about an answer, with as much of it as may be shown.
func (s *Stream) answerError(answer *http.Response, code, detail string) error {
	e := tenants.Errorf(tenants.BadGateway, code, "%s", detail)
	e.Upstream = &tenants.UpstreamAnswer{Status: answer.StatusCode,
		ContentType: s.cut(answer.Header.Get("Content-Type"), 128)}
	if textual(answer.Header) {
		b, _ := io.ReadAll(io.LimitReader(answer.Body, excerptRead))
		e.Upstream.Excerpt = s.cut(string(b), excerptShown)
	}
	switch code := answer.StatusCode; {
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		e.RetryAfter = defaultRetryAfter
		if n, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && n > 0 {
			e.RetryAfter = min(time.Duration(n)*time.Second, maxPause)
		}
	}
	return e
}

// cut returns text without secrets, on one line, and at most max bytes long.
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

// textual reports whether a body is human-readable text.
func textual(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && h.Get("Content-Encoding") == "" &&
		(strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml"))
}

// unreachable returns the error about a request without an answer.
func unreachable(f tenants.Failure) error {
	code, detail, temporary := "upstream_unreachable", "the other server cannot be reached ("+string(f)+")", true
	switch f {
	case tenants.FailureURL, tenants.FailureBlocked:
		code, detail, temporary = "upstream_blocked", "the other server's address must not be reached", false
	case tenants.FailureTimeout:
		code, detail = "upstream_timeout", "the other server did not answer in time"
	}
	e := tenants.Errorf(tenants.BadGateway, code, "%s", detail)
	if temporary {
		e.RetryAfter = defaultRetryAfter
	}
	return e
}

const maxLastID = 1 << 10 // bytes of a Last-Event-ID header

// resumable reports whether an id fits into a header (RFC 9110 section 5.5).
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
