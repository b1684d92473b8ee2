package tenants

import (
	"errors"
	"fmt"
	"time"
)

// Error is an error with a kind, a stable code for programs and a sentence for people. The caller sees Detail, so it
// must not contain a secret. Err is the private cause and appears only in logs.
type Error struct {
	Kind       ErrorKind
	Code       string // snake_case, stable: part of the API
	Detail     string
	Fields     []FieldError
	RetryAfter time.Duration   // with TooMany, Unavailable and BadGateway: when to try again; zero means no advice
	Upstream   *UpstreamAnswer // with BadGateway: the other server's answer; nil if there was none
	Err        error
}

// ErrorKind says what the caller can do about an error. The set is closed: transports map it to a status in one place
// (package problem), adapters map their engine's errors to it, and no code depends on an error's text.
type ErrorKind int

// Kinds of errors.
const (
	Internal             ErrorKind = iota // a defect of ours: the cause is logged, and never shown
	Invalid                               // the request is malformed
	Unauthenticated                       // no credential, or an invalid one
	Forbidden                             // a valid credential that lacks the right
	NotFound                              // absent, or not the caller's: the two look the same
	MethodNotAllowed                      // the path exists, the method does not
	Timeout                               // the client was too slow
	Conflict                              // the state has changed: read it and try again
	TooLarge                              // over a limit in bytes
	UnsupportedMediaType                  // a content type or encoding that is not accepted
	Unprocessable                         // well-formed, but the value of a field is refused
	TooMany                               // over a limit of rate or number; see RetryAfter
	Unavailable                           // temporary: the same call may succeed later; its outcome may be unknown
	HeadersTooLarge                       // request headers over the limit in bytes; used by transports only
	PreconditionFailed                    // the request is for another version than the current one
	PreconditionRequired                  // the request must name the version that it changes
	UpgradeRequired                       // the path needs another protocol, or version of it; used by transports only
	BadGateway                            // another server failed; see Upstream. Temporary if RetryAfter is set
)

// UpstreamAnswer is the part of another server's answer that the caller may see. Its maker removes all secrets.
type UpstreamAnswer struct {
	Status      int
	ContentType string
	Excerpt     string // the beginning of the body
}

// FieldError names one refused field of a request by its JSON pointer (RFC 6901).
type FieldError struct {
	Pointer string
	Detail  string
}

func (e *Error) Error() string {
	s := e.Code
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error. A %w in format becomes the private cause: its text is in Error(), and Detail stays empty.
func Errorf(kind ErrorKind, code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Kind: kind, Code: code, Err: errors.Unwrap(err)}
	if e.Err == nil {
		e.Detail = err.Error()
	}
	return e
}

// Refused returns an error of kind Unprocessable about one field of a well-formed request. pointer is the field's JSON
// pointer. (IsRefused is about another matter: the conditions of a Write.)
func Refused(pointer, code, detail string) *Error {
	return &Error{Kind: Unprocessable, Code: code, Detail: detail, Fields: []FieldError{{pointer, detail}}}
}

// KindOf returns the kind of err; Internal if it is not an Error.
func KindOf(err error) ErrorKind { return find(err).Kind }

// CodeOf returns the code of err; "" if it is not an Error.
func CodeOf(err error) string { return find(err).Code }

// IsNotFound reports whether err is of kind NotFound.
func IsNotFound(err error) bool { return find(err).Kind == NotFound }

func find(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return new(Error)
}
