package endtoend

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Connection is a live connection in the list.
type Connection struct {
	ID, Channel, Subject, Transport, Cursor string
	Channels                                []string
	Since                                   time.Time
	Backlog                                 *int64
}

// Connections lists the tenant's live connections, page by page.
func (d Deployment) Connections(t testing.TB, by Tenant) (all []Connection) {
	t.Helper()
	for cursor := ""; ; {
		var page struct {
			Data       []Connection
			Next       string `json:"next_cursor"`
			Incomplete bool
		}
		d.Must(t, "GET", "/v1/connections?limit=2"+cursor, by.Key, nil).Want(t, 200).JSON(t, &page)
		if page.Incomplete {
			t.Errorf("the list of connections is incomplete")
		}
		all = append(all, page.Data...)
		if page.Next == "" {
			return all
		}
		cursor = "&cursor=" + page.Next
	}
}

// renew extends a connection at base, one of the two addresses.
func (d Deployment) renew(t testing.TB, base, id, credential string) Answer {
	t.Helper()
	return Deployment{API: base, HTTP: d.HTTP}.Must(t, "POST", "/v1/connections/"+id+"/renew", credential, nil)
}

func connections(t *testing.T, d Deployment, _ string) {
	tenant, other := d.Signup(t, "connections"), d.Signup(t, "others")
	var streams []*Stream
	for _, subject := range []string{"ann", "ben", "cid"} {
		streams = append(streams, d.MustSubscribe(t, d.Token(t, tenant, subject, "orders", "returns"), "", nil,
			"orders", "returns"))
	}
	theirs := d.MustSubscribe(t, d.Token(t, other, "ann", "orders"), "", nil, "orders")
	list := d.Connections(t, tenant)
	if len(list) != 3 {
		t.Fatalf("the list has %+v, want 3 connections", list)
	}
	for i, c := range list {
		if c.ID != streams[i].ID || c.Subject != []string{"ann", "ben", "cid"}[i] || c.Channel != "orders" ||
			strings.Join(c.Channels, " ") != "orders returns" ||
			c.Transport != "sse" || c.Cursor != streams[i].Cursor || c.Since.IsZero() || c.Backlog == nil {
			t.Errorf("connection %d is listed as %+v", i, c)
		}
	}
	if list := d.Connections(t, other); len(list) != 1 || list[0].ID != theirs.ID {
		t.Errorf("the other tenant lists %+v", list)
	}

	ann := d.Token(t, tenant, "ann", "orders", "returns")
	for _, base := range []string{d.API, d.Stream} {
		d.renew(t, base, streams[0].ID, ann).Want(t, 200)
		for credential, want := range map[string]string{
			d.Token(t, tenant, "ben", "orders", "returns"): "403 connection_of_another",
			d.Token(t, tenant, "ann", "orders"):            "403 channel_forbidden",
			d.Token(t, other, "ann", "*"):                  "404 connection_not_found",
			other.Key:                                      "404 connection_not_found",
			tenant.Key:                                     "403 connection_of_another",
		} {
			wantProblem(t, d.renew(t, base, streams[0].ID, credential), want)
		}
	}
	wantProblem(t, d.renew(t, d.API, "con_junk", ann), "404 connection_not_found")
	wantProblem(t, d.Must(t, "DELETE", "/v1/connections/"+streams[1].ID, other.Key, nil), "404 connection_not_found")
	d.Must(t, "DELETE", "/v1/connections/"+streams[1].ID, tenant.Key, nil).Want(t, 204)
	wantDenied(t, streams[1])
	wantProblem(t, d.Must(t, "DELETE", "/v1/connections/"+streams[1].ID, tenant.Key, nil), "404 connection_not_found")
	wantProblem(t, d.renew(t, d.API, streams[1].ID, d.Token(t, tenant, "ben", "*")), "404 connection_not_found")
	if list := d.Connections(t, tenant); len(list) != 2 || list[1].ID != streams[2].ID {
		t.Errorf("after a close the list has %+v", list)
	}
}

// renewed keeps a stream open beyond the end of its first token; another stream with that token ends in time.
func renewed(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "renewed")
	next := d.Token(t, tenant, "page", "orders")
	token := d.tokenFor(t, tenant, 20*time.Second, "page", "orders")
	stays, goes := d.MustSubscribe(t, token, "", nil, "orders"), d.MustSubscribe(t, token, "", nil, "orders")
	for _, s := range []*Stream{stays, goes} {
		if f := mustNext(t, s); f.Event != "hookcast.expiring" || !strings.Contains(f.Data, `"expires_at":"`) ||
			!strings.Contains(f.Data, s.ID) {
			t.Fatalf("before the token's end came %+v, want hookcast.expiring", f)
		}
		if s == stays { // at once: the stream ends two seconds after the warning
			d.renew(t, d.Stream, stays.ID, next).Want(t, 200)
		}
	}
	if f := mustNext(t, goes); f.Event != "hookcast.expired" || f.ID != "!stop" {
		t.Fatalf("at the token's end came %+v, want hookcast.expired", f)
	}
	d.publish(t, tenant, "orders", 1, 1)
	wantNumber(t, stays, 1)
}

// wantProblem wants a status and a code, such as "404 not_found".
func wantProblem(t testing.TB, a Answer, want string) {
	t.Helper()
	var problem struct{ Code string }
	if a.Header.Get("Content-Type") == "application/problem+json" {
		a.JSON(t, &problem)
	}
	if got := strings.TrimSpace(fmt.Sprint(a.Status, " ", problem.Code)); got != want {
		t.Errorf("answered %s: %s, want %s", got, a.Body, want)
	}
}
