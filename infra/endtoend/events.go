package endtoend

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// found is an event as the list over all channels has it.
type found struct {
	ID, Channel, Type, Source string
	DuplicateOf               string `json:"duplicate_of"`
	Provenance                struct {
		Scheme     string
		SecretID   string `json:"secret_id"`
		DeliveryID string `json:"delivery_id"`
		ReplayOf   string `json:"replay_of"`
	}
}

// find reads the whole list, two at a time.
func (d Deployment) find(t testing.TB, by Tenant, query string) (all []found) {
	t.Helper()
	for cursor := ""; ; {
		var page struct {
			Data []found
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

// catalogue lists events over all channels, shows where they came from, and copies one.
func catalogue(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "catalogue")
	source := d.GitHubSource(t, tenant, "github")
	first := d.mustPost(t, source, "d-1", []byte(`{"n":1}`), 202)
	awaitEvents(t, d, tenant, "github", 1)
	second := d.mustPost(t, source, "d-1", []byte(`{"n":2}`), 202)
	d.publish(t, tenant, "orders", 3, 5)
	awaitEvents(t, d, tenant, "github", 2)
	awaitEvents(t, d, tenant, "orders", 3)

	all := func() []found { return d.find(t, tenant, "") }
	await(t, "five events in the list", all, func(f []found) bool { return len(f) == 5 })
	for query, want := range map[string]int{"channel=orders": 3, "source=" + source.ID: 2, "type=push": 2, "type=order.created&channel=github": 0, "duplicate=true": 1, "to=2020-01-01T00:00:00Z": 0} {
		if got := d.find(t, tenant, query); len(got) != want {
			t.Errorf("%s: %d events, want %d", query, len(got), want)
		}
	}
	twin := d.find(t, tenant, "duplicate=true")[0]
	if twin.ID != second.ID || twin.DuplicateOf != first.ID || twin.Provenance.Scheme != "github" || twin.Provenance.DeliveryID != "d-1" || twin.Provenance.SecretID == "" {
		t.Errorf("%+v", twin)
	}
	if theirs := d.find(t, d.Signup(t, "stranger"), ""); len(theirs) != 0 {
		t.Errorf("another tenant finds %+v", theirs)
	}

	payload := d.Must(t, "GET", "/v1/events/"+first.ID+"/payload", tenant.Key, nil).Want(t, 200)
	if string(payload.Body) != `{"n":1}` || !strings.HasPrefix(payload.Header.Get("Content-Disposition"), "attachment") || payload.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v %s", payload.Header, payload.Body)
	}

	stream := d.MustSubscribe(t, d.Token(t, tenant, "page", "again"), "", nil, "again")
	var copied struct{ ID string }
	d.Must(t, "POST", "/v1/events/"+first.ID+"/replay", tenant.Key, map[string]string{"channel": "again"}).Want(t, 202).JSON(t, &copied)
	if f := mustNext(t, stream); f.Event != "push" || f.Data != `{"n":1}` {
		t.Errorf("the copy streams as %+v", f)
	}
	var event found
	d.Must(t, "GET", "/v1/events/"+copied.ID, tenant.Key, nil).Want(t, 200).JSON(t, &event)
	if event.Provenance.ReplayOf != first.ID {
		t.Errorf("%+v", event)
	}
}

// exported is a channel's export, however many parts it comes in.
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

// exports reads more of a channel than an answer holds on either form.
func exports(t *testing.T, d Deployment, operatorKey string) {
	const events = 30
	tenant := d.Signup(t, "exports")
	d.Must(t, "PATCH", "/v1/tenants/"+tenant.ID, operatorKey, map[string]any{"limits": map[string]int{"events_per_second": 0}}).Want(t, 200)
	padding := strings.Repeat("x", 240<<10)
	for n := range events {
		d.Must(t, "POST", "/v1/channels/large/events", tenant.Key, map[string]any{"type": "t", "data": fmt.Sprint(n, padding)}).Want(t, 202)
	}
	awaitEvents(t, d, tenant, "large", events)
	got := d.exported(t, tenant, "large")
	if len(got) != events {
		t.Fatalf("%d events, want %d", len(got), events)
	}
	for n, data := range got {
		if data != fmt.Sprintf("%q", fmt.Sprint(n, padding)) {
			t.Fatalf("event %d is %.40s", n, data)
		}
	}
}
