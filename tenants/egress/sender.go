package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

var (
	_ tenants.Sender       = (*Egress)(nil)
	_ tenants.Destinations = (*Egress)(nil)
)

// Send sends o and returns the answer or the failure. It ends within Options.Timeout, or when ctx does.
func (e *Egress) Send(ctx context.Context, o tenants.Outgoing) (a tenants.Answer) {
	began := time.Now()
	defer func() { a.Took = time.Since(began) }()
	var p progress
	within, cancel := context.WithTimeout(ctx, e.o.Timeout)
	defer cancel()
	r, why := e.request(within, o, &p)
	if why != "" {
		a.Failure = why
		return a
	}
	answer, err := e.transport.RoundTrip(r) // RoundTrip follows no redirect and keeps no cookie
	a.Connected = p.connected.Load()
	if err != nil {
		a.Failure = p.failure(ctx, within, err)
		return a
	}
	defer answer.Body.Close()
	a.Status, a.Header, a.RetryAfter = answer.StatusCode, keepHeaders(answer.Header),
		retryAfter(answer.Header, time.Now())
	a.Body, err = io.ReadAll(io.LimitReader(answer.Body, tenants.MaxAnswerBody+1))
	if len(a.Body) > tenants.MaxAnswerBody {
		a.Body, a.Truncated = a.Body[:tenants.MaxAnswerBody], true
		return a // the rest does not matter
	}
	if err != nil {
		a.Failure = p.failure(ctx, within, err)
	}
	return a
}

// request returns a request for o that reports its progress to p, or why o cannot be sent.
func (e *Egress) request(ctx context.Context, o tenants.Outgoing, p *progress) (*http.Request, tenants.Failure) {
	t, why := e.parse(o.URL)
	if why != "" && t.addr.IsValid() && !e.dialer.allowed(t.addr) {
		return nil, tenants.FailureBlocked
	}
	if why != "" {
		return nil, tenants.FailureURL
	}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, p.trace()), o.Method, t.url.String(),
		bytes.NewReader(o.Body))
	if err != nil {
		return nil, tenants.FailureURL
	}
	r.Header = o.Header
	return r, ""
}

// progress records how far a request has come. The transport reports it from its own goroutines, which may outlive
// the request.
type progress struct {
	connected, handshaking, answered atomic.Bool
}

func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		TLSHandshakeStart:    func() { p.connected.Store(true); p.handshaking.Store(true) },
		TLSHandshakeDone:     func(_ tls.ConnectionState, err error) { p.handshaking.Store(err != nil) },
		GotConn:              func(httptrace.GotConnInfo) { p.connected.Store(true); p.handshaking.Store(false) },
		GotFirstResponseByte: func() { p.answered.Store(true) },
	}
}

// failure classifies err.
func (p *progress) failure(caller, within context.Context, err error) tenants.Failure {
	if caller.Err() != nil {
		return tenants.FailureCanceled
	}
	if dialed, ok := errors.AsType[*DialError](err); ok {
		return dialed.Failure
	}
	switch {
	case p.handshaking.Load():
		return tenants.FailureTLS
	case !p.connected.Load() && within.Err() != nil:
		return tenants.FailureConnect
	case !p.connected.Load():
		return tenants.FailureURL // it cannot be written as a request
	case within.Err() != nil:
		return tenants.FailureTimeout
	case !p.answered.Load() || wasCut(err):
		return tenants.FailureReset
	}
	return tenants.FailureResponse
}
