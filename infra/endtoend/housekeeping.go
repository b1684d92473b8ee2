package endtoend

import (
	"slices"
	"testing"
)

// auditLog checks who is recorded to have changed what.
func auditLog(t *testing.T, d Deployment, operatorKey string) {
	tenant := d.Signup(t, "audits")
	source := d.GitHubSource(t, tenant, "orders")
	changed := d.Must(t, "PATCH", "/v1/sources/"+source.ID, tenant.Key, map[string]string{"name": "renamed"}).
		Want(t, 200)
	d.Must(t, "POST", "/v1/tenants/"+tenant.ID+"/suspend", operatorKey, nil).Want(t, 200)
	d.Must(t, "POST", "/v1/tenants/"+tenant.ID+"/resume", operatorKey, nil).Want(t, 200)
	type entry struct {
		Actor, Action, Object, IP string
		RequestID                 string `json:"request_id"`
	}
	var page struct{ Data []entry }
	await(t, "the audit log of a tenant that is active again", func() Answer {
		return d.Must(t, "GET", "/v1/audit-log", tenant.Key, nil)
	}, func(a Answer) bool {
		return a.Status == 200 && func() bool { a.JSON(t, &page); return true }()
	})
	var actions []string
	for _, e := range page.Data {
		actions = append(actions, e.Action)
		if e.IP == "" || e.Action == "source.update" &&
			(e.RequestID != changed.Header.Get("Request-Id") || e.Object != source.ID) {
			t.Errorf("unexpected audit entry %+v", e)
		}
	}
	want := []string{"tenant.resume", "tenant.suspend", "source.update", "source.create", "tenant.signup"}
	if !slices.Equal(actions, want) {
		t.Errorf("the audit log has %v, want %v", actions, want)
	}
}

// deleted deletes a tenant that has an open stream and gets webhooks.
func deleted(t *testing.T, d Deployment, _ string) {
	tenant, other := d.Signup(t, "deleted"), d.Signup(t, "stays")
	source := d.GitHubSource(t, tenant, "orders")
	d.mustPost(t, source, "d-1", []byte(`{}`), 202)
	awaitEvents(t, d, tenant, "orders", 1)
	stream := d.MustSubscribe(t, d.Token(t, tenant, "page", "orders"), "", nil, "orders")
	stays := d.MustSubscribe(t, d.Token(t, other, "page", "orders"), "", nil, "orders")
	d.Must(t, "DELETE", "/v1/tenant", tenant.Key, nil).Want(t, 204)
	wantDenied(t, stream)
	d.awaitPost(t, source, 404)
	await(t, "the answer to the deleted tenant's key", func() Answer {
		return d.Must(t, "GET", "/v1/tenant", tenant.Key, nil)
	}, func(a Answer) bool { return a.Status == 401 })
	d.publish(t, other, "orders", 1, 1)
	wantNumber(t, stays, 1)
}
