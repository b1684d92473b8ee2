package endtoend

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// listedEvent is an event in the list over all channels.
type listedEvent struct {
	ID, Channel, Type, Source string
	DuplicateOf               string `json:"duplicate_of"`
	Provenance                struct {
		Scheme     string
		SecretID   string `json:"secret_id"`
		DeliveryID string `json:"delivery_id"`
		ReplayOf   string `json:"replay_of"`
	}
}

// listEvents reads the whole list, two events a page.
func (d Deployment) listEvents(t testing.TB, by Tenant, query string) (all []listedEvent) {
	t.Helper()
	for cursor := ""; ; {
		var page struct {
			Data []listedEvent
			Next string `json:"next_cursor"`
		}
		d.Must(t, "GET", "/v1/events?limit=2&"+query+cursor, by.Key, nil).Want(t, 200).JSON(t, &page)
		all = append(all, page.Data...)
		if page.Next == "" {
			return all
		}
		cursor = "&cursor=" + page.Next
	}
}

// eventList lists events over all channels, shows where they came from, and copies one.
func eventList(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "list")
	source := d.GitHubSource(t, tenant, "github")
	first := d.mustPost(t, source, "d-1", []byte(`{"n":1}`), 202)
	awaitEvents(t, d, tenant, "github", 1)
	second := d.mustPost(t, source, "d-1", []byte(`{"n":2}`), 202)
	d.publish(t, tenant, "orders", 3, 5)
	awaitEvents(t, d, tenant, "github", 2)
	awaitEvents(t, d, tenant, "orders", 3)

	all := func() []listedEvent { return d.listEvents(t, tenant, "") }
	await(t, "five events in the list", all, func(f []listedEvent) bool { return len(f) == 5 })
	for query, want := range map[string]int{"channel=orders": 3, "source=" + source.ID: 2, "type=push": 2,
		"type=order.created&channel=github": 0, "duplicate=true": 1, "to=2020-01-01T00:00:00Z": 0} {
		if got := d.listEvents(t, tenant, query); len(got) != want {
			t.Errorf("%s: %d events, want %d", query, len(got), want)
		}
	}
	twin := d.listEvents(t, tenant, "duplicate=true")[0]
	if twin.ID != second.ID || twin.DuplicateOf != first.ID || twin.Provenance.Scheme != "github" ||
		twin.Provenance.DeliveryID != "d-1" || twin.Provenance.SecretID == "" {
		t.Errorf("the duplicate is listed as %+v", twin)
	}
	if theirs := d.listEvents(t, d.Signup(t, "stranger"), ""); len(theirs) != 0 {
		t.Errorf("another tenant lists %+v", theirs)
	}

	payload := d.Must(t, "GET", "/v1/events/"+first.ID+"/payload", tenant.Key, nil).Want(t, 200)
	if string(payload.Body) != `{"n":1}` ||
		!strings.HasPrefix(payload.Header.Get("Content-Disposition"), "attachment") ||
		payload.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the payload is served as %v %s", payload.Header, payload.Body)
	}

	stream := d.MustSubscribe(t, d.Token(t, tenant, "page", "again"), "", nil, "again")
	var copied struct{ ID string }
	d.Must(t, "POST", "/v1/events/"+first.ID+"/replay", tenant.Key, map[string]string{"channel": "again"}).
		Want(t, 202).JSON(t, &copied)
	if f := mustNext(t, stream); f.Event != "push" || f.Data != `{"n":1}` {
		t.Errorf("the copy is streamed as %+v", f)
	}
	var event listedEvent
	d.Must(t, "GET", "/v1/events/"+copied.ID, tenant.Key, nil).Want(t, 200).JSON(t, &event)
	if event.Provenance.ReplayOf != first.ID {
		t.Errorf("the copy is %+v, want one of %s", event, first.ID)
	}
}

// exported returns the data of a channel's export, which may have several parts.
func (d Deployment) exported(t testing.TB, by Tenant, channel string) (data []string) {
	t.Helper()
	for path := "/v1/channels/" + channel + "/export"; ; {
		text := strings.TrimSuffix(string(d.Must(t, "GET", path, by.Key, nil).Want(t, 200).Body), "\n")
		lines := strings.Split(text, "\n")
		for _, line := range lines[:len(lines)-1] {
			var e Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			data = append(data, string(e.Data))
		}
		var end struct {
			Next *string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil {
			t.Fatalf("%s: %v", lines[len(lines)-1], err)
		}
		if end.Next == nil {
			return data
		}
		path = "/v1/channels/" + channel + "/export?after=" + *end.Next
	}
}

// exports exports a channel that is too large for one answer on either form.
func exports(t *testing.T, d Deployment, operatorKey string) {
	const events = 30
	tenant := d.Signup(t, "exports")
	d.setLimit(t, tenant, operatorKey, "events_per_second", 0)
	padding := strings.Repeat("x", 240<<10)
	for n := range events {
		d.Must(t, "POST", "/v1/channels/large/events", tenant.Key,
			map[string]any{"type": "t", "data": fmt.Sprint(n, padding)}).Want(t, 202)
	}
	awaitEvents(t, d, tenant, "large", events)
	got := d.exported(t, tenant, "large")
	if len(got) != events {
		t.Fatalf("the export has %d events, want %d", len(got), events)
	}
	for n, data := range got {
		if data != fmt.Sprintf("%q", fmt.Sprint(n, padding)) {
			t.Fatalf("event %d of the export is %.40s", n, data)
		}
	}
}
