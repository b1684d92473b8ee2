// Package problem turns errors into HTTP answers. The kind of an error gives the status; the body is
// application/problem+json (RFC 9457) with a stable code for programs and a sentence for people.
//
//	{"type":"about:blank","title":"Not Found","status":404,"detail":"…","code":"not_found","request_id":"req_…"}
//
// A 502 adds "upstream":{"status":401,"content_type":"application/json","excerpt":"…"} if the other server has
// answered.
//
// The type is always "about:blank", so the title is the status's own phrase, as RFC 9457 section 4.2.1 asks. The
// code, which is part of the API, distinguishes two problems of one status. A refused field adds
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

// upstream describes the other server's answer in a 502.
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
// Retry-After, WWW-Authenticate; one value each) and its body. An error that is not a *tenants.Error, or is of kind
// Internal, shows nothing of itself: see Log. The answer to a HEAD request has the same status and headers and no body.
func Body(err error, requestID string) (status int, header map[string]string, b []byte) {
	e, ok := errors.AsType[*tenants.Error](err)
	if !ok || e == nil {
		e = &tenants.Error{Kind: tenants.Internal}
	}
	a := answerTo(e.Kind)
	out := body{Type: "about:blank", Title: http.StatusText(a.status), Status: a.status, Code: a.code, Detail: a.detail,
		RequestID: requestID}
	if a.status != http.StatusInternalServerError {
		if e.Code != "" && e.Code != "row_not_found" { // the Table's own code means nothing to a caller
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

// Write answers r with err. It keeps headers that the caller has already set (Allow, another WWW-Authenticate).
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

// Log records what the answer to err does not show: a defect as an error, a temporary failure as a warning. It records
// nothing about errors that the client can correct. The code that creates an error must keep secrets out of its cause.
func Log(l *slog.Logger, requestID string, err error) {
	switch tenants.KindOf(err) {
	case tenants.Unavailable:
		l.Warn("request failed temporarily", "request_id", requestID, "error", err.Error())
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
	code   string // used when the error has none
	detail string // used when the error has none
}

func answerTo(k tenants.ErrorKind) answer {
	switch k {
	case tenants.Invalid:
		return answer{http.StatusBadRequest, "bad_request", "the request is malformed"}
	case tenants.Unauthenticated:
		return answer{http.StatusUnauthorized, "unauthenticated", "the request needs a valid credential"}
	case tenants.Forbidden:
		return answer{http.StatusForbidden, "forbidden", "the credential does not grant this right"}
	case tenants.NotFound:
		return answer{http.StatusNotFound, "not_found", "the requested resource does not exist"}
	case tenants.MethodNotAllowed:
		return answer{http.StatusMethodNotAllowed, "method_not_allowed",
			"the path does not support this method; the Allow header lists the methods that it supports"}
	case tenants.Timeout:
		return answer{http.StatusRequestTimeout, "request_timeout", "the request did not arrive in time"}
	case tenants.Conflict:
		return answer{http.StatusConflict, "conflict", "the state has changed in the meantime; read it and try again"}
	case tenants.PreconditionFailed:
		return answer{http.StatusPreconditionFailed, "precondition_failed",
			"the current version differs from the one in If-Match; read it and try again"}
	case tenants.PreconditionRequired:
		return answer{http.StatusPreconditionRequired, "precondition_required",
			"the request must name the version that it changes in If-Match"}
	case tenants.TooLarge:
		return answer{http.StatusRequestEntityTooLarge, "too_large", "the body is larger than the limit"}
	case tenants.HeadersTooLarge:
		return answer{http.StatusRequestHeaderFieldsTooLarge, "headers_too_large",
			"the request's headers are larger than the limit"}
	case tenants.UpgradeRequired:
		return answer{http.StatusUpgradeRequired, "upgrade_required",
			"the request must ask for another protocol; the answer's headers name it"}
	case tenants.UnsupportedMediaType:
		return answer{http.StatusUnsupportedMediaType, "unsupported_media_type",
			"the body's media type or encoding is not supported"}
	case tenants.Unprocessable:
		return answer{http.StatusUnprocessableEntity, "unprocessable", "a value in the request is invalid"}
	case tenants.TooMany:
		return answer{http.StatusTooManyRequests, "too_many_requests", "a limit has been reached"}
	case tenants.BadGateway:
		return answer{http.StatusBadGateway, "bad_gateway", "another server failed to complete the request"}
	case tenants.Unavailable:
		return answer{http.StatusServiceUnavailable, "unavailable",
			"the request failed temporarily; the same request may succeed later"}
	}
	return answer{http.StatusInternalServerError, "internal",
		"the server failed; the operator's log has the cause under this request id"}
}

// retryAfter returns the advice that an error carries, or a second if it carries none and the status calls for a retry.
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
