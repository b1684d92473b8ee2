package egress

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// shownHeaders are those of an answer that are kept and shown. The others may hold cookies and credentials.
var shownHeaders = [...]string{"Allow", "Cf-Ray", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Request-Id", "Retry-After", "Server",
	"Traceparent", "Via", "X-Amz-Cf-Id", "X-Amzn-Requestid", "X-Amzn-Trace-Id", "X-Request-Id"}

const maxShown = 256 // bytes of a header's value

// shown picks the headers that may be shown. Of where a redirect leads the query is left out, which may hold a secret.
func shown(h http.Header) map[string][]string {
	kept := make(map[string][]string)
	for _, name := range shownHeaders {
		if v := h[name]; len(v) > 0 {
			kept[name] = []string{cut(v[0])}
		}
	}
	if to, err := url.Parse(h.Get("Location")); err == nil && h.Get("Location") != "" {
		to.User, to.RawQuery, to.Fragment = nil, "", ""
		kept["Location"] = []string{cut(to.String())}
	}
	return kept
}

func cut(s string) string {
	if len(s) > maxShown {
		s = s[:maxShown]
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// longestWait is what an answer that asks for ages is taken to ask for: who asks for more means never, too.
const longestWait = 365 * 24 * time.Hour

// retryAfter reads Retry-After (RFC 9110 section 10.2.3), in seconds or as a date. What is neither, or lies in the past: 0.
func retryAfter(h http.Header, now time.Time) time.Duration {
	values := h["Retry-After"]
	if len(values) != 1 {
		return 0
	}
	text := strings.TrimSpace(values[0])
	if text != "" && strings.Trim(text, "0123456789") == "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n > int64(longestWait/time.Second) {
			return longestWait
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestWait)
}

// wasCut tells whether a connection ended before what was to come over it.
func wasCut(err error) bool {
	if _, network := errors.AsType[*net.OpError](err); network {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
