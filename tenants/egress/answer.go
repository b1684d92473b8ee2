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

// keptHeaders are the headers of an answer that are stored and shown. Others may contain cookies and credentials.
var keptHeaders = [...]string{"Allow", "Cf-Ray", "Connection", "Content-Encoding", "Content-Length", "Content-Type",
	"Date", "Request-Id", "Retry-After", "Server", "Traceparent", "Via", "X-Amz-Cf-Id", "X-Amzn-Requestid",
	"X-Amzn-Trace-Id", "X-Request-Id"}

const maxHeaderValue = 256 // bytes

// keepHeaders returns the headers that may be shown. The query of a Location is removed, because it may contain a
// secret.
func keepHeaders(h http.Header) map[string][]string {
	kept := make(map[string][]string)
	for _, name := range keptHeaders {
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
	if len(s) > maxHeaderValue {
		s = s[:maxHeaderValue]
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// maxWait is the upper bound of a Retry-After.
const maxWait = 365 * 24 * time.Hour

// retryAfter parses Retry-After (RFC 9110 section 10.2.3), in seconds or as a date. It returns 0 if the value is
// invalid or in the past.
func retryAfter(h http.Header, now time.Time) time.Duration {
	values := h["Retry-After"]
	if len(values) != 1 {
		return 0
	}
	text := strings.TrimSpace(values[0])
	if text != "" && strings.Trim(text, "0123456789") == "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n > int64(maxWait/time.Second) {
			return maxWait
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxWait)
}

// wasCut reports whether a connection ended before the answer was complete.
func wasCut(err error) bool {
	if _, network := errors.AsType[*net.OpError](err); network {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
