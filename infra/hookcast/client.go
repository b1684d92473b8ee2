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
	callTime  = 30 * time.Second
	maxAnswer = 16 << 20
)

// client asks the API as the holder of a key.
type client struct {
	credentials
	http *http.Client
}

func newClient(sh *shell, c credentials) *client {
	// A redirect is not followed: the key is for the host that it was given for.
	return &client{c, &http.Client{Transport: sh.remote, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// alone is a client whose connections are new ones, and nobody else's: a stream that is asked for on the connection on which one has fallen silent,
// as HTTP/2 would, would never come.
func (c *client) alone() *http.Client {
	alone := *c.http
	if t, ok := alone.Transport.(*http.Transport); ok {
		alone.Transport = t.Clone()
	}
	return &alone
}

// open is a client with the credentials of the shell.
func open(sh *shell) (*client, error) {
	c, err := sh.credentials()
	if err != nil {
		return nil, err
	}
	return newClient(sh, c), nil
}

// refusal is an answer of Hookcast's that is an error.
type refusal struct {
	status  int
	code    string // "" where it is no answer of Hookcast's
	detail  string
	after   time.Duration // Retry-After
	elsewhy string        // with a redirect: to where
}

func (r *refusal) Error() string {
	switch {
	case r.elsewhy != "":
		return "it sends on to " + r.elsewhy + ": is that the base URL?"
	case r.code == "":
		return fmt.Sprintf("what answers there (%d %s) is no Hookcast: is the base URL right?", r.status, http.StatusText(r.status))
	}
	text := r.code
	if r.detail != "" {
		text = r.detail + " (" + r.code + ")"
	}
	switch {
	case r.code == "wrong_host":
		return text + fmt.Sprintf(": where the streams have a host of their own, name it with login -stream or in %s", envStream)
	case r.code == "not_found":
		return text + ": is that the base URL, without a path?"
	case r.status == http.StatusUnauthorized:
		return text + ": hookcast login keeps another"
	}
	return text
}

// needs adds what a key must be where it was refused for its rights.
func needs(err error, what string) error {
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusForbidden && r.code == "forbidden" {
		return fmt.Errorf("%w; %s", err, what)
	}
	return err
}

// temporary tells whether the same request may be taken later.
func (r *refusal) temporary() bool {
	return r.status == http.StatusTooManyRequests || r.status >= 500 || r.code == "" && r.elsewhy == ""
}

// exit is what to exit with.
func (r *refusal) exit() int {
	switch {
	case r.code == "":
		return exitUnreachable
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return exitRefused
	}
	return exitFailed
}

// refusalOf reads an answer that is none of those that were asked for.
func refusalOf(res *http.Response) *refusal {
	r := &refusal{status: res.StatusCode}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.after = time.Duration(min(seconds, 3600)) * time.Second
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		r.elsewhy = res.Header.Get("Location")
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

// request makes a request to base with the key.
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

// call sends a request to the API and reads its JSON answer into out. The error says what went wrong in one line, and what to exit with.
func (c *client) call(ctx context.Context, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := c.request(ctx, method, c.API+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return failed(exitUnreachable, "cannot reach %s: %s", c.API, why(err))
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		r := refusalOf(res)
		return &failure{r.exit(), fmt.Errorf("%s: %w", c.API, r)}
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return failed(exitUnreachable, "the answer of %s broke off: %s", c.API, why(err))
	}
	if err := json.Unmarshal(b, out); err != nil {
		return failed(exitUnreachable, "%s: %w", c.API, &refusal{status: res.StatusCode})
	}
	return nil
}

// tenant is whom a key belongs to.
type tenant struct{ ID, Name string }

// whoAmI tells whose the key is: nothing of it where the key holds and may not know.
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

// streams checks that there are streams at the base URL for them: one of no channel is refused with a word of its own.
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
