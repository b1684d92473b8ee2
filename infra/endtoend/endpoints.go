package endtoend

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Endpoint is a destination of outgoing webhooks.
type Endpoint struct {
	ID     string `json:"id"`
	URL    string `json:"url"`
	State  string `json:"state"`
	Reason string `json:"state_reason"`
	Secret string `json:"secret"`
}

// Receiver is a customer's server that webhooks are posted to.
type Receiver struct {
	URL string

	mu       sync.Mutex
	requests []Received
	answer   func(Received) (status int, body string)
}

// Received is one request to a Receiver.
type Received struct {
	Path   string
	Header http.Header
	Body   []byte
}

// Signed reports whether the request is signed with secret, as Standard Webhooks requires.
func (r Received) Signed(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return false
	}
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, r.Header.Get("Webhook-Id")+"."+r.Header.Get("Webhook-Timestamp")+"."+string(r.Body))
	return slices.Contains(strings.Fields(r.Header.Get("Webhook-Signature")),
		"v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// StartReceiver starts a server on this machine, which ends with the test. It answers as answer decides, and 200 if
// that is nil.
func StartReceiver(t testing.TB, answer func(Received) (status int, body string)) *Receiver {
	t.Helper()
	r := &Receiver{answer: answer}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	got := Received{q.URL.Path, q.Header.Clone(), body}
	r.mu.Lock()
	r.requests = append(r.requests, got)
	r.mu.Unlock()
	if r.answer == nil {
		return
	}
	status, text := r.answer(got)
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// Requests returns all requests so far.
func (r *Receiver) Requests() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Endpoint registers an endpoint; members holds everything except its name and URL.
func (d Deployment) Endpoint(t testing.TB, tenant Tenant, url string, members map[string]any) Endpoint {
	t.Helper()
	body := map[string]any{"name": "receiver", "url": url}
	for name, v := range members {
		body[name] = v
	}
	var e Endpoint
	d.Must(t, "POST", "/v1/endpoints", tenant.Key, body).Want(t, 201).JSON(t, &e)
	return e
}

// testResult is the answer to a test delivery.
type testResult struct {
	Delivered bool
	Status    int
	Body      string
	Failure   string
	Matches   *bool
}

// testEndpoint requests a test delivery, and repeats that as long as the rate limit refuses it.
func (d Deployment) testEndpoint(t testing.TB, tenant Tenant, e Endpoint) {
	t.Helper()
	awaitWithin(t, 30*time.Second, "a test delivery", func() Answer {
		return d.Must(t, "POST", "/v1/endpoints/"+e.ID+"/test", tenant.Key, nil).Want(t, 200, 429)
	}, func(a Answer) bool { return a.Status == 200 })
}

// endpoints registers, verifies, tests and rotates an endpoint. It needs a deployment that may post to this machine.
func endpoints(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "endpoints")
	receiver := StartReceiver(t, func(r Received) (int, string) {
		var payload struct{ Challenge string }
		if json.Unmarshal(r.Body, &payload) == nil && payload.Challenge != "" {
			return 200, `{"challenge":"` + payload.Challenge + `"}`
		}
		return 418, "short and stout"
	})
	e := d.Endpoint(t, tenant, receiver.URL+"/hooks", map[string]any{
		"channels": []string{"orders.*"}, "filter": `data.total > 100 && event.type == "order.paid"`,
		"headers": map[string]string{"X-Env": "test"},
	})
	if e.State != "enabled" || e.Secret == "" {
		t.Fatalf("the endpoint is %s (%s), want enabled and a secret", e.State, e.Reason)
	}
	var verified struct{ Verified bool }
	d.Must(t, "POST", "/v1/endpoints/"+e.ID+"/verify", tenant.Key, nil).Want(t, 200).JSON(t, &verified)
	if !verified.Verified {
		t.Error("the endpoint echoed the challenge and is not verified")
	}

	var tested testResult
	event := map[string]any{"channel": "orders.42", "type": "order.paid", "data": map[string]any{"total": 120}}
	d.Must(t, "POST", "/v1/endpoints/"+e.ID+"/test", tenant.Key, map[string]any{"event": event}).Want(t, 200).
		JSON(t, &tested)
	if tested.Delivered || tested.Status != 418 || tested.Body != "short and stout" || tested.Failure != "" ||
		tested.Matches == nil || !*tested.Matches {
		t.Errorf("the test's result is %+v", tested)
	}
	all := receiver.Requests()
	if len(all) != 2 {
		t.Fatalf("the receiver got %d requests, want 2", len(all))
	}
	for _, r := range all {
		if r.Path != "/hooks" || !r.Signed(e.Secret) || r.Header.Get("X-Env") != "test" ||
			r.Header.Get("Hookcast-Hops") != "1" {
			t.Errorf("the receiver got %+v", r)
		}
	}
	if got := all[1]; string(got.Body) != `{"total":120}` || got.Header.Get("Hookcast-Channel") != "orders.42" {
		t.Errorf("the receiver got %s with %v", got.Body, got.Header)
	}

	var key struct {
		Secret string `json:"secret"`
	}
	d.Must(t, "POST", "/v1/endpoints/"+e.ID+"/rotate-secret", tenant.Key,
		map[string]any{"overlap_seconds": 3600}).Want(t, 201).JSON(t, &key)
	d.testEndpoint(t, tenant, e)
	all = receiver.Requests()
	if last := all[len(all)-1]; !last.Signed(e.Secret) || !last.Signed(key.Secret) {
		t.Error("the request is not signed with both secrets during the rotation")
	}

	d.wantInvalidEndpoints(t, tenant, receiver.URL)
	d.Must(t, "DELETE", "/v1/endpoints/"+e.ID, tenant.Key, nil).Want(t, 204)
	d.Must(t, "POST", "/v1/endpoints/"+e.ID+"/test", tenant.Key, nil).Want(t, 404)
}

// wantInvalidEndpoints wants forbidden URLs and a malformed filter to be refused.
func (d Deployment) wantInvalidEndpoints(t *testing.T, tenant Tenant, valid string) {
	t.Helper()
	for _, url := range []string{d.API + "/in/x", "http://169.254.169.254/latest/meta-data", "http://2130706433/",
		"ftp://127.0.0.1/"} {
		a := d.Must(t, "POST", "/v1/endpoints", tenant.Key, map[string]any{"name": "x", "url": url}).Want(t, 422)
		if !strings.Contains(string(a.Body), "invalid_url") {
			t.Errorf("%s: %s", url, a.Body)
		}
	}
	a := d.Must(t, "POST", "/v1/endpoints", tenant.Key,
		map[string]any{"name": "x", "url": valid, "filter": "data.total >"}).Want(t, 422)
	if !strings.Contains(string(a.Body), "line 1, column") {
		t.Errorf("an invalid filter is answered %s, want its line and column", a.Body)
	}
}
