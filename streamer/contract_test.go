package streamer

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/token"
)

func loadContract(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestWhatIsServedIsWhatTheContractDescribes(t *testing.T) {
	var served, described []string
	for _, r := range newWorld(t).Routes() {
		served = append(served, r.Method+" "+r.Path)
	}
	for _, r := range api.Routes() {
		served = append(served, r.Method+" "+r.Path)
	}
	for _, method := range []string{"GET", "HEAD", "POST"} { // the intake's, see functions/ingest
		served = append(served, method+" /in/{token}")
	}
	for path, item := range loadContract(t).Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served:\n%s\ndescribed:\n%s", strings.Join(served, "\n"), strings.Join(described, "\n"))
	}
}

var socketLines = slices.Clip(strings.Split(strings.TrimSpace(upgrade), "\r\n"))

// TestAnswersAreThoseOfTheContract checks real responses against the contract: their status, headers and bodies.
func TestAnswersAreThoseOfTheContract(t *testing.T) {
	router, err := gorillamux.NewRouter(loadContract(t))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Options) { o.OpenAPI = api.OpenAPI })
	tenant, key := w.tenant(t)
	full, fullKey := w.tenant(t)
	one := int64(1)
	if _, err := w.accounts.UpdateAsOperator(t.Context(), full,
		account.OperatorPatch{Limits: map[string]*int64{"connections": &one}}); err != nil {
		t.Fatal(err)
	}
	w.open(t, "/v1/stream?channel=a", auth(fullKey)).next(t)
	w.publish(t, tenant, "a", `{"n":1}`, "text", "\xff\xfe")
	raw := w.token(t, tenant, token.Spec{Subject: "alice", Channels: []string{"a"}, TTL: time.Hour})
	for _, c := range []struct {
		target string
		lines  []string
		status int
	}{
		{"/v1/poll?channel=a&after=0&wait=0", []string{auth(key)}, 200},
		{"/v1/poll?channel=a&after=0&wait=5", []string{auth(key)}, 200},
		{"/v1/poll?channel=a&after=0&wait=0&format=cloudevents", []string{auth(key)}, 200},
		{"/v1/poll?channel=a&after=9&wait=0", []string{auth(key)}, 200},
		{"/v1/poll?channel=a&after=0&wait=0&token=" + raw, nil, 200},
		{"/v1/poll?channel=a&after=!stop", []string{auth(key)}, 204},
		{"/v1/poll?channel=a&wait=99", []string{auth(key)}, 400},
		{"/v1/poll?channel=a", nil, 401},
		{"/v1/poll?channel=b&token=" + raw, nil, 403},
		{"/v1/poll?channel=a", []string{auth(fullKey)}, 429},
		{"/v1/stream?channel=a", []string{auth(fullKey), eventSource}, 200},
		{"/v1/stream?channel=a", []string{eventSource}, 200},
		{"/v1/stream?channel=a", []string{auth(key), "Last-Event-ID: !stop"}, 204},
		{"/v1/stream?channel=A", []string{auth(key)}, 400},
		{"/v1/stream?channel=a", nil, 401},
		{"/v1/stream?channel=b&token=" + raw, nil, 403},
		{"/v1/stream?channel=a", []string{auth(fullKey)}, 429},
		{"/v1/ws?channel=a", []string{auth(key)}, 426},
		{"/v1/ws?channel=a", append(socketLines, auth(key)), 101},
		{"/v1/ws?channel=a", append(socketLines, auth(key), "Last-Event-ID: !stop"), 204},
		{"/v1/ws?channel=A", append(socketLines, auth(key)), 400},
		{"/v1/ws?channel=a", socketLines, 401},
		{"/v1/ws?channel=b&token=" + raw, socketLines, 403},
		{"/v1/ws?channel=a", append(socketLines, auth(fullKey)), 429},
		{"/v1/ws?channel=a", append(socketLines, auth(fullKey), pageOrigin), 101},
		{"/v1/stream?channel=a", []string{auth(fullKey), "Accept: application/x-ndjson"}, 429},
		{"/healthz", nil, 200},
		{"/readyz", nil, 200},
		{"/metrics", nil, 200},
		{"/metrics", []string{"X-Forwarded-For: 1.1.1.1"}, 401},
		{"/metrics", []string{"X-Forwarded-For: 1.1.1.1", auth(key)}, 403},
		{"/embed.js", nil, 200},
		{"/embed.d.ts", nil, 200},
		{"/openapi.yaml", nil, 200},
	} {
		r, err := http.NewRequest("GET", "http://"+w.addr+c.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range c.lines {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Set(name, value)
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if res.StatusCode != http.StatusSwitchingProtocols {
			if _, err := body.ReadFrom(res.Body); err != nil {
				t.Fatal(err)
			}
		}
		res.Body.Close()
		name := c.target[:min(len(c.target), 60)]
		if res.StatusCode != c.status {
			t.Errorf("%s: %d %s, want %d", name, res.StatusCode, body.Bytes(), c.status)
		}
		route, params, err := router.FindRoute(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		options := &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
			// only the status and headers of files and streams are checked
			ExcludeResponseBody: !strings.Contains(res.Header.Get("Content-Type"), "json"),
		}
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil && res.StatusCode < 400 {
			t.Errorf("%s was answered %d, and the contract refuses the request: %v", name, res.StatusCode, err)
		}
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode,
			Header: res.Header, Options: options}
		out.SetBodyBytes(body.Bytes())
		if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
