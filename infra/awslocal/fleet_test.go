package main

import (
	"path/filepath"
	"testing"
)

// fleet runs an awslocal with three nodes for one test.
func fleet(t *testing.T) *running {
	t.Helper()
	start(t)
	r, err := launch(filepath.Join(t.TempDir(), "data"), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("awslocal ended with %v: %s", err, r.said())
		}
	})
	return r
}

// setLimits changes the tenant's limits as the operator.
func (r *running) setLimits(t testing.TB, id string, limits map[string]int) {
	t.Helper()
	r.Must(t, "PATCH", "/v1/tenants/"+id, r.operatorKey(t), map[string]any{"limits": limits}).Want(t, 200)
}

// A request for the other host of the deployment is refused with wrong_host; both hosts serve the API.
func TestEachHostNamesTheOther(t *testing.T) {
	p := start(t)
	tenant := p.Signup(t, "hosts")
	nodes := p.Deployment
	nodes.API = p.Stream
	var said struct{ Code string }
	for _, path := range []string{"/v1/stream?channel=orders", "/v1/poll?channel=orders", "/v1/ws?channel=orders"} {
		p.Must(t, "GET", path, tenant.Key, nil, "Accept", "text/event-stream").Want(t, 404).JSON(t, &said)
		if said.Code != "wrong_host" {
			t.Errorf("%s on the API's host is answered %s, want wrong_host", path, said.Code)
		}
	}
	source := p.GitHubSource(t, tenant, "orders")
	source.URL = p.Stream + source.URL[len(p.API):]
	a, err := p.GitHub(t.Context(), source, "delivery-1", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if a.Want(t, 404).JSON(t, &said); said.Code != "wrong_host" {
		t.Errorf("a webhook on a node is answered %s, want wrong_host", said.Code)
	}
	nodes.Must(t, "GET", "/v1/limits", tenant.Key, nil).Want(t, 200)
	p.Must(t, "GET", "/v1/limits", tenant.Key, nil).Want(t, 200)
}
