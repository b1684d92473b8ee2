// Package endtoend drives a whole deployment from outside, as its users do: over HTTP, with signed webhooks and event
// streams, and in a browser. It knows two base URLs and the operator's key, so that the same suite runs on one box
// and on the AWS form.
package endtoend

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// Deployment says how a running Hookcast is reached.
type Deployment struct {
	API    string // base URL of the admin API and of ingest
	Stream string // base URL of the streams
	HTTP   *http.Client
}

// Answer is a complete response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body into v.
func (a Answer) JSON(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		t.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
}

// Want ends the test unless the answer has one of the statuses.
func (a Answer) Want(t testing.TB, statuses ...int) Answer {
	t.Helper()
	for _, s := range statuses {
		if a.Status == s {
			return a
		}
	}
	t.Fatalf("status %d, want %v: %s", a.Status, statuses, a.Body)
	return a
}

// Do sends a request to the API as the holder of key ("" for no credential); body is nil, bytes, or a value to
// marshal. header holds pairs of a name and a value.
func (d Deployment) Do(ctx context.Context, method, path, key string, body any, header ...string) (Answer, error) {
	var payload io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		payload = bytes.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			return Answer{}, err
		}
		payload = bytes.NewReader(j)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.API+path, payload)
	if err != nil {
		return Answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return d.send(req)
}

// send sends the request and reads the whole answer.
func (d Deployment) send(req *http.Request) (Answer, error) {
	res, err := d.HTTP.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, res.Header, b}, err
}

// Must is Do, and ends the test on a transport error.
func (d Deployment) Must(t testing.TB, method, path, key string, body any, header ...string) Answer {
	t.Helper()
	a, err := d.Do(t.Context(), method, path, key, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// Tenant is a tenant that signed up, with its owner's key.
type Tenant struct{ ID, Key string }

// Signup creates a tenant.
func (d Deployment) Signup(t testing.TB, name string) Tenant {
	t.Helper()
	var out struct {
		Tenant struct{ ID string }
		APIKey struct{ Secret string } `json:"api_key"`
	}
	d.Must(t, "POST", "/v1/signup", "", map[string]string{"name": name, "email": name + "@example.com"}).
		Want(t, 201).JSON(t, &out)
	return Tenant{out.Tenant.ID, out.APIKey.Secret}
}

// Source is a GitHub source with its address and secret.
type Source struct{ ID, URL, Secret string }

// GitHubSource registers a source whose events go to channel, which may be a template.
func (d Deployment) GitHubSource(t testing.TB, by Tenant, channel string) Source {
	t.Helper()
	s := Source{Secret: "a secret of the test's own"}
	d.Must(t, "POST", "/v1/sources", by.Key, map[string]string{"name": "repo", "provider": "github", "secret": s.Secret,
		"channel": channel}).
		Want(t, 201).JSON(t, &s)
	return s
}

// Token mints a browser token for channels, valid for an hour.
func (d Deployment) Token(t testing.TB, by Tenant, subject string, channels ...string) string {
	t.Helper()
	return d.tokenFor(t, by, time.Hour, subject, channels...)
}

func (d Deployment) tokenFor(t testing.TB, by Tenant, life time.Duration, subject string, channels ...string) string {
	t.Helper()
	var out struct{ Token string }
	d.Must(t, "POST", "/v1/tokens", by.Key, map[string]any{"subject": subject, "channels": channels,
		"ttl_seconds": int(life.Seconds())}).Want(t, 201).JSON(t, &out)
	return out.Token
}

// GitHub posts body to the source, signed as GitHub signs (https://docs.github.com/webhooks). header holds further
// pairs of a name and a value.
func (d Deployment) GitHub(ctx context.Context, s Source, delivery string, body []byte, header ...string) (Answer,
	error) {
	mac := hmac.New(sha256.New, []byte(s.Secret))
	mac.Write(body)
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-GitHub-Delivery", delivery)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return d.send(req)
}

// Accepted is the answer of ingest and of publishing.
type Accepted struct {
	ID, Channel string
	Duplicate   bool
}

// Event is an event as lists and polls return it.
type Event struct {
	ID, Channel, Type string
	Seq               int64
	Data              json.RawMessage
}

// History reads the whole channel, page by page, and checks that its numbers run from 1 without a gap.
func (d Deployment) History(t testing.TB, by Tenant, channel string) []Event {
	t.Helper()
	var all []Event
	for after := int64(0); ; {
		var page struct{ Data []Event }
		d.Must(t, "GET", fmt.Sprintf("/v1/channels/%s/events?limit=100&after=%d", channel, after), by.Key, nil).
			Want(t, 200).JSON(t, &page)
		if len(page.Data) == 0 {
			return all
		}
		for _, e := range page.Data {
			if after++; e.Seq != after {
				t.Fatalf("channel %s has event %d, want %d", channel, e.Seq, after)
			}
			all = append(all, e)
		}
	}
}
