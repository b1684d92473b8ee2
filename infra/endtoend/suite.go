package endtoend

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Suite checks what a running deployment promises to its users. It creates its own tenants, and needs the two
// addresses and the operator's key alone.
func Suite(t *testing.T, d Deployment, operatorKey string) {
	waiting := []string{ // for seconds, and together: they have tenants of their own
		"a stream outlives its token where that is renewed in time", "a job nobody reports on times out, and says so",
		"a job's bursts are told as few events, and the last", "who publishes for one client learns that it has left",
		"an event goes out signed, again where it failed, and dies and comes back",
		"an event's way is told, with times, and why somebody lacks it",
		"a source takes gzip once, refuses too much, answers as told",
	}
	for name, test := range map[string]func(*testing.T, Deployment, string){
		"a signed webhook reaches a stream, a poll and the history":                webhookJourney,
		"an altered webhook gets 401 and a repeated one is a duplicate":            forgedAndRepeated,
		"a subscriber that comes back has missed nothing":                          resume,
		"one connection has several channels and one cursor":                       severalChannels,
		"tenants with the same channel never meet":                                 tenantIsolation,
		"what retention took away is told as a gap":                                gap,
		"an ended channel ends its streams, and 204 from then on":                  ended,
		"a revoked token's stream ends within two seconds":                         revoked,
		"a suspended tenant's streams end, and its webhooks are refused":           suspended,
		"live connections are listed, renewed and closed":                          connections,
		"a stream outlives its token where that is renewed in time":                renewed,
		"a month's events are counted, told of and held":                           monthly,
		"over its connections a page is told in-band and curl by 429":              quota,
		"a policy ends the streams that lost their right within 2 s":               policyEndsStream,
		"a hidden field is on no way out, and follows the policy":                  hiddenField,
		"an endpoint is proven, tested and rotated, and its URL checked":           endpoints,
		"a source takes gzip once, refuses too much, answers as told":              ingestLimits,
		"events are listed over all channels, downloaded and replayed":             eventList,
		"an export is whole, in however many parts":                                exports,
		"an event's way is told, with times, and why somebody lacks it":            traces,
		"the command line listens, tails, publishes and traces":                    developer,
		"what listen forwards, the providers' own libraries take":                  forwardedToLibraries,
		"every change is in the audit log":                                         auditLog,
		"somebody else's stream is forwarded once, without its key":                sharedUpstream,
		"who publishes for one client learns that it has left":                     presence,
		"a job is told to who comes early, late and after its end":                 jobs,
		"a job's bursts are told as few events, and the last":                      bursts,
		"an endpoint does a job, however long it takes":                            endpointRunsJob,
		"a job nobody reports on times out, and says so":                           jobTimesOut,
		"a deleted tenant's streams end, and its webhooks find nobody":             deleted,
		"an event goes out signed, again where it failed, and dies and comes back": deliveries,
	} {
		t.Run(name, func(t *testing.T) {
			if slices.Contains(waiting, name) {
				t.Parallel()
			}
			test(t, d, operatorKey)
		})
	}
}

func webhookJourney(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "journey")
	source := d.GitHubSource(t, tenant, "github.{repository.name}")
	token := d.Token(t, tenant, "page", "github.*")
	stream := d.MustSubscribe(t, token, "", nil, "github.shop")

	body := []byte(`{"repository": {"name": "Shop"}, "n": 1.50}`)
	accepted := d.mustPost(t, source, "delivery-1", body, 202)
	if accepted.Channel != "github.shop" {
		t.Errorf("the template gave channel %q, want github.shop", accepted.Channel)
	}
	f := mustNext(t, stream)
	if f.Event != "push" || f.ID != "1" || f.Data != string(body) {
		t.Errorf("the stream has %+v", f)
	}

	var page struct {
		Data       []Event
		NextCursor string `json:"next_cursor"`
	}
	d.mustGet(t, d.Stream+"/v1/poll?channel=github.shop&after=0&wait=0", token).JSON(t, &page)
	if len(page.Data) != 1 || page.Data[0].ID != accepted.ID || page.NextCursor != "1" {
		t.Errorf("the poll has %+v", page)
	}
	if h := d.History(t, tenant, "github.shop"); len(h) != 1 || h[0].ID != accepted.ID ||
		string(h[0].Data) != `{"repository":{"name":"Shop"},"n":1.50}` {
		t.Errorf("the history has %+v", h)
	}
	var event Event
	d.Must(t, "GET", "/v1/events/"+accepted.ID, tenant.Key, nil).Want(t, 200).JSON(t, &event)
	if event.Seq != 1 || event.Channel != "github.shop" {
		t.Errorf("the event is %+v", event)
	}
}

func forgedAndRepeated(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "repeated")
	source := d.GitHubSource(t, tenant, "orders")
	body := []byte(`{"n":1}`)
	first := d.mustPost(t, source, "d-1", body, 202)
	awaitEvents(t, d, tenant, "orders", 1)
	if again := d.mustPost(t, source, "d-1", body, 200); !again.Duplicate || again.ID != first.ID {
		t.Errorf("the repeated delivery is %+v, want a duplicate of %+v", again, first)
	}
	forged := source
	forged.Secret = "another secret than the source's"
	wantProblem(t, d.post(t, forged, "d-2", body), "401 signature_mismatch")
	other := d.mustPost(t, source, "d-1", []byte(`{"n":2}`), 202)
	awaitEvents(t, d, tenant, "orders", 2)
	var event struct {
		DuplicateOf string `json:"duplicate_of"`
	}
	if other.ID == first.ID {
		t.Fatalf("two bodies with the same delivery id got the same event id %s", other.ID)
	}
	d.Must(t, "GET", "/v1/events/"+other.ID, tenant.Key, nil).Want(t, 200).JSON(t, &event)
	if event.DuplicateOf != first.ID {
		t.Errorf("duplicate_of is %q, want %q", event.DuplicateOf, first.ID)
	}
}

func resume(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "resume")
	token := d.Token(t, tenant, "page", "orders")
	stream := d.MustSubscribe(t, token, "", nil, "orders")
	d.publish(t, tenant, "orders", 1, 3)
	for n := 1; n <= 3; n++ {
		wantNumber(t, stream, n)
	}
	stream.Close()
	d.publish(t, tenant, "orders", 4, 40)
	stream = d.MustSubscribe(t, token, stream.Cursor, nil, "orders")
	d.publish(t, tenant, "orders", 41, 45)
	for n := 4; n <= 45; n++ {
		wantNumber(t, stream, n)
	}
	// A native EventSource repeats the old URL: the header takes precedence over the ?after= in it.
	stream = d.MustSubscribe(t, token, "44", url.Values{"after": {"2"}}, "orders")
	wantNumber(t, stream, 45)
}

func severalChannels(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "several")
	token := d.Token(t, tenant, "page", "a", "b")
	stream := d.MustSubscribe(t, token, "", url.Values{"types": {"off"}}, "a", "b")
	next := func() (e Event) {
		t.Helper()
		if err := json.Unmarshal([]byte(mustNext(t, stream).Data), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	d.publish(t, tenant, "a", 1, 1)
	if e := next(); e.Channel != "a" || e.Seq != 1 {
		t.Errorf("got %+v", e)
	}
	stream.Close()
	d.publish(t, tenant, "b", 1, 2)
	d.publish(t, tenant, "a", 2, 2)
	stream = d.MustSubscribe(t, token, stream.Cursor, url.Values{"types": {"off"}}, "a", "b")
	got := make(map[string][]int64)
	for range 3 {
		e := next()
		got[e.Channel] = append(got[e.Channel], e.Seq)
	}
	if fmt.Sprint(got) != "map[a:[2] b:[1 2]]" {
		t.Errorf("after the cursor came %v, want a:[2] b:[1 2]", got)
	}
}

func tenantIsolation(t *testing.T, d Deployment, _ string) {
	ours, theirs := d.Signup(t, "ours"), d.Signup(t, "theirs")
	ourStream := d.MustSubscribe(t, d.Token(t, ours, "page", "orders"), "", nil, "orders")
	theirStream := d.MustSubscribe(t, d.Token(t, theirs, "page", "orders"), "", nil, "orders")
	d.publish(t, theirs, "orders", 101, 101)
	d.publish(t, ours, "orders", 1, 2)
	if f := mustNext(t, ourStream); f.ID != "1" || f.Data != `{"n":1}` {
		t.Errorf("our stream has %+v, want our event 1", f)
	}
	if f := mustNext(t, theirStream); f.ID != "1" || f.Data != `{"n":101}` {
		t.Errorf("their stream has %+v, want their event 101", f)
	}
	if h := d.History(t, theirs, "orders"); len(h) != 1 || string(h[0].Data) != `{"n":101}` {
		t.Errorf("their history has %+v", h)
	}
	var page struct{ Data []Event }
	d.mustGet(t, d.Stream+"/v1/poll?channel=orders&after=0&wait=0", theirs.Key).JSON(t, &page)
	if len(page.Data) != 1 || string(page.Data[0].Data) != `{"n":101}` {
		t.Errorf("their poll has %+v", page)
	}
}

func gap(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "gap")
	d.publish(t, tenant, "orders", 1, 5)
	awaitEvents(t, d, tenant, "orders", 5)
	d.Must(t, "DELETE", "/v1/channels/orders", tenant.Key, nil).Want(t, 204)
	d.publish(t, tenant, "orders", 6, 6)
	stream := d.MustSubscribe(t, d.Token(t, tenant, "page", "orders"), "2", nil, "orders")
	f := mustNext(t, stream)
	var g struct{ From, To int64 }
	if err := json.Unmarshal([]byte(f.Data), &g); err != nil || f.Event != "hookcast.gap" || g.From != 3 || g.To != 5 {
		t.Errorf("got %+v (%v), want a gap from 3 to 5", f, err)
	}
	wantNumber(t, stream, 6)
}

func ended(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "ended")
	token := d.Token(t, tenant, "page", "job")
	stream := d.MustSubscribe(t, token, "", nil, "job")
	d.Must(t, "POST", "/v1/channels/job/events", tenant.Key,
		map[string]any{"type": "done", "data": map[string]int{"n": 1}, "end": true}).Want(t, 202)
	wantNumber(t, stream, 1)
	wantEnded(t, "the stream", stream)
	_, res, err := d.Subscribe(t.Context(), token, stream.Cursor, nil, "job")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 204 {
		t.Errorf("subscribing after the end is answered %s, want 204", res.Status)
	}
}

func revoked(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "revoked")
	token := d.Token(t, tenant, "leaver", "orders")
	stream := d.MustSubscribe(t, token, "", nil, "orders")
	stays := d.MustSubscribe(t, d.Token(t, tenant, "stayer", "orders"), "", nil, "orders")
	d.Must(t, "POST", "/v1/tokens/revoke", tenant.Key, map[string]string{"subject": "leaver"}).Want(t, 204)
	wantDenied(t, stream)
	d.publish(t, tenant, "orders", 1, 1)
	wantNumber(t, stays, 1)
}

func suspended(t *testing.T, d Deployment, operatorKey string) {
	tenant := d.Signup(t, "suspended")
	source := d.GitHubSource(t, tenant, "orders")
	stream := d.MustSubscribe(t, d.Token(t, tenant, "page", "orders"), "", nil, "orders")
	d.Must(t, "POST", "/v1/tenants/"+tenant.ID+"/suspend", operatorKey, nil).Want(t, 200)
	wantDenied(t, stream)
	d.awaitPost(t, source, 403)
	d.Must(t, "POST", "/v1/tenants/"+tenant.ID+"/resume", operatorKey, nil).Want(t, 200)
	d.awaitPost(t, source, 202)
}

func quota(t *testing.T, d Deployment, operatorKey string) {
	tenant := d.Signup(t, "quota")
	d.setLimit(t, tenant, operatorKey, "connections", 1)
	token := d.Token(t, tenant, "page", "orders")
	first := d.MustSubscribe(t, token, "", nil, "orders")
	s, res, err := d.Subscribe(t.Context(), token, "", nil, "orders")
	if err != nil || res.StatusCode != 200 {
		t.Fatal(err, res)
	}
	defer s.Close()
	if f := mustNext(t, s); f.Event != "hookcast.quota" || !strings.Contains(f.Data, "connection_limit") {
		t.Errorf("over the limit an EventSource got %+v, want hookcast.quota", f)
	}
	if _, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after hookcast.quota came %v, want io.EOF", err)
	}
	a := d.get(t, d.Stream+"/v1/stream?channel=orders", token).Want(t, 429)
	if a.Header.Get("Retry-After") == "" || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("over the limit curl got %v %s", a.Header, a.Body)
	}
	first.Close()
	awaitWithin(t, 10*time.Second, "the first frame after a slot was freed", func() string {
		s, _, err := d.Subscribe(t.Context(), token, "", nil, "orders")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f, err := s.Next()
		if err != nil {
			return err.Error()
		}
		return f.Event
	}, func(event string) bool { return event == "hookcast.open" })
}
