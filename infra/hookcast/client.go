package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	userAgent = "hookcast-cli/1"
	callTime  = 30 * time.Second // timeout of one API call
	maxAnswer = 16 << 20         // bytes
)

// client calls the API with a key.
type client struct {
	credentials
	http *http.Client
}

func newClient(sh *shell, c credentials) *client {
	// Redirects are not followed, because the key must not be sent to another host.
	return &client{c, &http.Client{Transport: sh.remote, CheckRedirect: noRedirect}}
}

// noRedirect makes an http.Client return a redirect instead of following it.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// isolated returns a client with a connection pool of its own. HTTP/2 would otherwise open a new stream on the
// connection on which the last one fell silent.
func (c *client) isolated() *http.Client {
	alone := *c.http
	if t, ok := alone.Transport.(*http.Transport); ok {
		alone.Transport = t.Clone()
	}
	return &alone
}

// open returns a client with the shell's credentials.
func open(sh *shell) (*client, error) {
	c, err := sh.credentials()
	if err != nil {
		return nil, err
	}
	return newClient(sh, c), nil
}

// refusal is a response that is an error.
type refusal struct {
	status   int
	code     string // "" if the response is not a problem of Hookcast's
	detail   string
	after    time.Duration // from Retry-After
	location string        // target of a redirect
}

func (r *refusal) Error() string {
	switch {
	case r.location != "":
		return "the server redirects to " + r.location + ": check the base URL"
	case r.code == "":
		return fmt.Sprintf("the server (%d %s) is not Hookcast: check the base URL",
			r.status, http.StatusText(r.status))
	}
	text := r.code
	if r.detail != "" {
		text = r.detail + " (" + r.code + ")"
	}
	switch {
	case r.code == "wrong_host":
		return text + fmt.Sprintf(": if streams have a separate host, name it with login -stream or in %s", envStream)
	case r.code == "not_found":
		return text + ": check that the base URL has no path"
	case r.status == http.StatusUnauthorized:
		return text + ": save another key with hookcast login"
	}
	return text
}

// withRoleHint adds a hint to an error if the key lacks the right for the request.
func withRoleHint(err error, what string) error {
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusForbidden && r.code == "forbidden" {
		return fmt.Errorf("%w; %s", err, what)
	}
	return err
}

// temporary reports whether the same request may succeed later.
func (r *refusal) temporary() bool {
	return r.status == http.StatusTooManyRequests || r.status >= 500 || r.code == "" && r.location == ""
}

// exit returns the exit code.
func (r *refusal) exit() int {
	switch {
	case r.code == "":
		return exitUnreachable
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return exitRefused
	}
	return exitFailed
}

// refusalOf reads the response to a request that failed.
func refusalOf(res *http.Response) *refusal {
	r := &refusal{status: res.StatusCode}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.after = time.Duration(min(seconds, 3600)) * time.Second
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		r.location = res.Header.Get("Location")
		return r
	}
	var problem struct{ Code, Detail string }
	if media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); media != "application/problem+json" {
		return r
	}
	if b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10)); err == nil && json.Unmarshal(b, &problem) == nil {
		r.code, r.detail = problem.Code, strings.TrimRight(problem.Detail, ".")
	}
	return r
}

// request returns a request with the key and with body as JSON; nil means no body.
func (c *client) request(ctx context.Context, method, url string, body any) (*http.Request, error) {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, payload)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Header.Set("User-Agent", userAgent)
	return req, nil
}

// call sends a request to the API and decodes the JSON response into out. Its error is one line and carries an exit
// code.
func (c *client) call(ctx context.Context, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := c.request(ctx, method, c.API+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return failed(exitUnreachable, "cannot reach %s: %s", c.API, explain(err))
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		r := refusalOf(res)
		return &failure{r.exit(), fmt.Errorf("%s: %w", c.API, r)}
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return failed(exitUnreachable, "the response of %s was cut off: %s", c.API, explain(err))
	}
	if err := json.Unmarshal(b, out); err != nil {
		return failed(exitUnreachable, "%s: %w", c.API, &refusal{status: res.StatusCode})
	}
	return nil
}

// tenant is the owner of a key.
type tenant struct{ ID, Name string }

// whoAmI returns the tenant of the key, or the zero tenant if the key is valid but must not read its tenant.
func (c *client) whoAmI(ctx context.Context) (who tenant, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/tenant", nil, &who)
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusForbidden && r.code == "forbidden" {
		return tenant{}, nil
	}
	if err == nil && who.ID == "" {
		err = failed(exitUnreachable, "%s: %w", c.API, &refusal{status: http.StatusOK})
	}
	return who, err
}

// streams checks that the base URL for streams serves them. It sends a request without a channel, which streams
// refuse with a code of their own.
func (c *client) streams(ctx context.Context) error {
	at := *c
	at.API = c.Stream
	err := at.call(ctx, http.MethodGet, "/v1/stream", nil, nil)
	if r, ok := errors.AsType[*refusal](err); ok && r.code == "channel_missing" {
		return nil
	}
	if err == nil {
		err = failed(exitUnreachable, "%s: %w", c.Stream, &refusal{status: http.StatusOK})
	}
	return err
}
