package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hookcast/hookcast/infra/privatefile"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
)

// original is an event as its source sent it, from a stream with ?format=original.
type original struct {
	ID, Channel, Type, Source string
	Seq                       int64
	ContentType               string `json:"content_type"`
	Headers                   map[string]string
	Decoded                   bool
	Hops                      int
	Data                      []byte `json:"data_base64"`
}

// forwarder sends events to programs on the developer's machine.
type forwarder struct {
	http    *http.Client
	scheme  signing.Scheme
	secret  signing.Secret
	timeout time.Duration
	wait    time.Duration // how long to retry while no program listens
}

const (
	secretFile = "listen.secret"
	redial     = 250 * time.Millisecond // pause between two attempts to connect
)

// localSecret returns the secret that forwarded events are signed with. The first call creates and saves it.
func localSecret(dir string) (string, error) {
	path := filepath.Join(dir, secretFile)
	b, err := privatefile.Read(path, maxSettings)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return string(bytes.TrimSpace(b)), err
	}
	text := ownScheme().NewSecret(rand.Reader)
	return text, privatefile.ReplaceDurably(path, []byte(text+"\n"))
}

// ownScheme returns the scheme of Hookcast's own signature, which endpoints use too.
func ownScheme() signing.Scheme {
	s, _ := signing.Lookup("standard-webhooks")
	return s
}

func newForwarder(sh *shell, secret string, timeout, wait time.Duration) (*forwarder, error) {
	key, err := ownScheme().ParseSecret(secret)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", secretFile, err)
	}
	return &forwarder{
		http: &http.Client{
			Transport: sh.local, Timeout: timeout, CheckRedirect: noRedirect,
		},
		scheme: ownScheme(), secret: key, timeout: timeout, wait: wait,
	}, nil
}

// request returns the event as its provider sent it: its bytes and the headers that the provider's scheme names, plus
// Hookcast's own headers and signature.
//
// Our signature follows Standard Webhooks. If the provider's signature uses the same headers, ours is appended to it
// with the same id and time, as the specification allows; each is verified with its own secret.
func (f *forwarder) request(ctx context.Context, e *original, to string, now time.Time) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(e.Data))
	if err != nil {
		return nil, err
	}
	h := req.Header
	if e.ContentType != "" {
		h.Set("Content-Type", e.ContentType)
	} else if json.Valid(e.Data) {
		h.Set("Content-Type", "application/json")
	}
	for name, value := range e.Headers {
		h.Set(name, value)
	}
	id, theirs := e.ID, ""
	if mark := f.scheme.Mark.Header; h.Get(mark) != "" {
		stamp, err := strconv.ParseInt(h.Get(f.scheme.Timestamp.Header), 10, 64)
		if err == nil && h.Get(f.scheme.ID[0].Header) != "" {
			id, now, theirs = h.Get(f.scheme.ID[0].Header), time.Unix(stamp, 0), h.Get(mark)+f.scheme.Separator
		}
	}
	ours, err := f.scheme.Sign(f.secret, signing.Request{Body: e.Data}, id, now)
	if err != nil {
		return nil, err
	}
	for name, values := range ours {
		if name == f.scheme.Mark.Header {
			values[0] = theirs + values[0]
		}
		h[name] = values
	}
	h.Set("User-Agent", "Hookcast/1 (listen)")
	for name, value := range map[string]string{
		"Hookcast-Event-Id": e.ID, "Hookcast-Event-Type": e.Type, "Hookcast-Channel": e.Channel,
		"Hookcast-Seq": strconv.FormatInt(e.Seq, 10), "Hookcast-Source-Id": e.Source,
		tenants.HeaderHops: strconv.Itoa(e.Hops + 1),
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return req, nil
}

// send delivers an event and returns a description of the outcome. It retries for a while if no program listens,
// because programs are often restarted during development.
func (f *forwarder) send(ctx context.Context, e *original, to string) (said string, delivered bool) {
	for began := time.Now(); ; {
		req, err := f.request(ctx, e, to, time.Now())
		if err != nil {
			return "not sent: " + explain(err), false
		}
		at := time.Now()
		res, err := f.http.Do(req)
		if err == nil {
			return describeResponse(res, time.Since(at)), true
		}
		reason := explain(err)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Sprintf("no response within %s (-timeout sets a longer time)", f.timeout), true
		case !errors.Is(err, syscall.ECONNREFUSED):
			return "not delivered: " + reason, false
		case time.Since(began) >= f.wait:
			return fmt.Sprintf("not delivered: %s; retried for %s", reason, f.wait), false
		}
		select {
		case <-ctx.Done():
			return "not delivered: " + reason, false
		case <-time.After(redial):
		}
	}
}

const maxExcerpt = 200 // bytes shown of the body of an error response

// describeResponse describes a program's response: its status and, for an error, the first line of its body.
func describeResponse(res *http.Response, took time.Duration) string {
	defer res.Body.Close()
	said := fmt.Sprintf("%d %s in %s", res.StatusCode, http.StatusText(res.StatusCode), took.Round(time.Millisecond))
	if to := res.Header.Get("Location"); res.StatusCode >= 300 && res.StatusCode < 400 && to != "" {
		said += ": redirects are not followed: forward to " + to
	}
	var head [maxExcerpt]byte
	n, _ := io.ReadFull(res.Body, head[:]) // a short or empty body is fine
	if line, _, _ := strings.Cut(strings.TrimSpace(string(head[:n])), "\n"); res.StatusCode >= 400 && line != "" {
		said += ": " + strings.TrimSpace(line)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be reused
	return said
}
