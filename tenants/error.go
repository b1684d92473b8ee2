package tenants

import (
	"errors"
	"fmt"
	"time"
)

// ErrorKind says what the caller can do about an error. It is a closed set: transports map it to a status once (package
// problem), adapters map their engine's errors to it, and nobody looks at an error's text.
type ErrorKind int

const (
	Internal             ErrorKind = iota // a defect of ours; the cause is logged, never shown
	Invalid                               // the request is malformed
	Unauthenticated                       // no credential, or one that does not hold
	Forbidden                             // a credential that holds, without the right
	NotFound                              // absent, or not the caller's: never told apart
	MethodNotAllowed                      // the path exists, the method does not
	Timeout                               // the client was too slow
	Conflict                              // the state has moved on: read it and try again
	TooLarge                              // over a limit in bytes
	UnsupportedMediaType                  // a content type or encoding that is not taken
	Unprocessable                         // well-formed, and a field's value is refused
	TooMany                               // over a limit of rate or number; see RetryAfter
	Unavailable                           // passing: the same call may succeed later; its outcome may be unknown
	HeadersTooLarge                       // a request's headers are over the limit in bytes; only a transport says so
	PreconditionFailed                    // what the request was to change is at another version than it names
	PreconditionRequired                  // a change that must name the version that it is of, and names none
	UpgradeRequired                       // the path speaks another protocol, or another version of it; only a transport says so
	BadGateway                            // somebody else's server did not do what was asked of it; see Upstream. Passing where there is a RetryAfter
)

// Error is an error with a kind, a stable code for programs and a sentence for people. Detail is shown to the caller and
// must hold no secret; Err is the private cause, which only goes to the log.
type Error struct {
	Kind       ErrorKind
	Code       string // snake_case, stable: part of the API
	Detail     string
	Fields     []FieldError
	RetryAfter time.Duration   // with TooMany and Unavailable: zero means no advice
	Upstream   *UpstreamAnswer // with BadGateway: what the other server said; nil: nothing
	Err        error
}

// UpstreamAnswer is what is shown of another server's answer. Whoever makes one has cut every secret out of it.
type UpstreamAnswer struct {
	Status      int
	ContentType string
	Excerpt     string // how its body begins
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

// Errorf makes an Error. A %w in format becomes the private cause: its text is in Error(), not in Detail.
func Errorf(kind ErrorKind, code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Kind: kind, Code: code, Err: errors.Unwrap(err)}
	if e.Err == nil {
		e.Detail = err.Error()
	}
	return e
}

// KindOf returns the kind of err, Internal where it has none.
func KindOf(err error) ErrorKind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// CodeOf returns the code of err, "" where it has none.
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

func IsRefused(err error) bool {
	_, ok := errors.AsType[*RefusedError](err)
	return ok
}

func IsNotFound(err error) bool { return err != nil && KindOf(err) == NotFound }

// Refused is a well-formed request of which one field's value is not taken.
func Refused(pointer, code, detail string) *Error {
	return &Error{Kind: Unprocessable, Code: code, Detail: detail, Fields: []FieldError{{pointer, detail}}}
}
