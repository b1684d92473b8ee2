// Package problem is the one place where an error becomes an HTTP answer: the kind gives the status, and the body is
// application/problem+json (RFC 9457) with a stable code for programs and a sentence for people.
//
//	{"type":"about:blank","title":"Not Found","status":404,"detail":"…","code":"not_found","request_id":"req_…"}
//
// A 502 adds "upstream":{"status":401,"content_type":"application/json","excerpt":"…"} where the other server has answered.
//
// The type is always "about:blank", so the title is the status's own phrase, as RFC 9457 section 4.2.1 asks: what tells
// two problems of one status apart is code, which is part of the API. A refused field adds
// "errors":[{"pointer":"/name","detail":"…"}] with JSON pointers (RFC 6901).
package problem

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// ContentType is the media type of every body that this package writes.
const ContentType = "application/problem+json"

type body struct {
	Type      string    `json:"type"`
	Title     string    `json:"title"`
	Status    int       `json:"status"`
	Detail    string    `json:"detail"`
	Code      string    `json:"code"`
	RequestID string    `json:"request_id"`
	Errors    []field   `json:"errors,omitempty"`
	Upstream  *upstream `json:"upstream,omitempty"`
}

// upstream is what another server answered us, behind a 502.
type upstream struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Excerpt     string `json:"excerpt"`
}

type field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Body returns the answer to err for a transport of any kind: its status, the headers that belong to it (Content-Type,
// Retry-After, WWW-Authenticate; one value each) and its body. What is no *tenants.Error, and every error of kind
// Internal, shows nothing of itself: see Log. The answer to a HEAD request has the same status and headers and no body.
func Body(err error, requestID string) (status int, header map[string]string, b []byte) {
	e, ok := errors.AsType[*tenants.Error](err)
	if !ok || e == nil {
		e = &tenants.Error{Kind: tenants.Internal}
	}
	a := answerTo(e.Kind)
	out := body{Type: "about:blank", Title: http.StatusText(a.status), Status: a.status, Code: a.code, Detail: a.detail, RequestID: requestID}
	if a.status != http.StatusInternalServerError {
		if e.Code != "" && e.Code != "row_not_found" { // the Table's word for it says nothing to a caller
			out.Code = e.Code
		}
		if e.Detail != "" {
			out.Detail = e.Detail
		}
		for _, f := range e.Fields {
			out.Errors = append(out.Errors, field(f))
		}
		out.Upstream = (*upstream)(e.Upstream)
	}
	header = map[string]string{"Content-Type": ContentType}
	if a.status == http.StatusUnauthorized {
		header["WWW-Authenticate"] = `Bearer realm="hookcast"`
	}
	if after := retryAfter(a.status, e.RetryAfter); after > 0 {
		header["Retry-After"] = strconv.FormatInt(int64(math.Ceil(after.Seconds())), 10)
	}
	return a.status, header, encode(out)
}

// Write answers r with err. Headers that the caller has set already (Allow, another WWW-Authenticate) stay.
func Write(w http.ResponseWriter, r *http.Request, requestID string, err error) {
	status, header, b := Body(err, requestID)
	h := w.Header()
	for name, value := range header {
		if name == "Content-Type" || h.Get(name) == "" {
			h.Set(name, value)
		}
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(b)
	}
}

// Log records what the answer to err does not show: a defect as an error, a passing failure as a warning, and nothing of
// what is the client's to mend. A cause never holds a secret: that is owed by whoever made the error.
func Log(l *slog.Logger, requestID string, err error) {
	switch tenants.KindOf(err) {
	case tenants.Unavailable:
		l.Warn("request failed for now", "request_id", requestID, "error", err.Error())
	default:
		if answerTo(tenants.KindOf(err)).status == http.StatusInternalServerError {
			l.Error("request failed", "request_id", requestID, "error", err.Error())
		}
	}
}

// Status returns the status that answers an error of the kind.
func Status(k tenants.ErrorKind) int { return answerTo(k).status }

type answer struct {
	status int
	code   string // where the error brings none
	detail string // where the error brings none
}

func answerTo(k tenants.ErrorKind) answer {
	switch k {
	case tenants.Invalid:
		return answer{http.StatusBadRequest, "bad_request", "The request is malformed."}
	case tenants.Unauthenticated:
		return answer{http.StatusUnauthorized, "unauthenticated", "A credential is required, and this is none that holds."}
	case tenants.Forbidden:
		return answer{http.StatusForbidden, "forbidden", "The credential does not give the right to do this."}
	case tenants.NotFound:
		return answer{http.StatusNotFound, "not_found", "There is no such thing here."}
	case tenants.MethodNotAllowed:
		return answer{http.StatusMethodNotAllowed, "method_not_allowed", "The path does not take this method; the Allow header has those it takes."}
	case tenants.Timeout:
		return answer{http.StatusRequestTimeout, "request_timeout", "The request did not arrive in time."}
	case tenants.Conflict:
		return answer{http.StatusConflict, "conflict", "The state has changed meanwhile: read it and try again."}
	case tenants.PreconditionFailed:
		return answer{http.StatusPreconditionFailed, "precondition_failed", "The state is at another version than If-Match names: read it and try again."}
	case tenants.PreconditionRequired:
		return answer{http.StatusPreconditionRequired, "precondition_required", "The request must say by If-Match which version it changes."}
	case tenants.TooLarge:
		return answer{http.StatusRequestEntityTooLarge, "too_large", "The body is larger than what is taken."}
	case tenants.HeadersTooLarge:
		return answer{http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "The request's headers are larger than what is taken."}
	case tenants.UpgradeRequired:
		return answer{http.StatusUpgradeRequired, "upgrade_required", "The request must ask for another protocol; the answer's headers name it."}
	case tenants.UnsupportedMediaType:
		return answer{http.StatusUnsupportedMediaType, "unsupported_media_type", "The body's type or encoding is not taken."}
	case tenants.Unprocessable:
		return answer{http.StatusUnprocessableEntity, "unprocessable", "A value is refused."}
	case tenants.TooMany:
		return answer{http.StatusTooManyRequests, "too_many_requests", "A limit is reached."}
	case tenants.BadGateway:
		return answer{http.StatusBadGateway, "bad_gateway", "Another server did not do what was asked of it."}
	case tenants.Unavailable:
		return answer{http.StatusServiceUnavailable, "unavailable", "This failed for now; the same request may succeed later."}
	}
	return answer{http.StatusInternalServerError, "internal", "The server failed. The request id finds the cause in the operator's log."}
}

// retryAfter is the advice that an error carries; a second where it carries none and the status asks for a retry.
func retryAfter(status int, advice time.Duration) time.Duration {
	switch status {
	case http.StatusBadGateway:
		return advice
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
	default:
		return 0
	}
	return max(advice, time.Second)
}

func encode(v body) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("problem: strings and numbers always encode: " + err.Error())
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
