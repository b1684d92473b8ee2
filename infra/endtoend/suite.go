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

// Suite holds a running deployment to what its users were promised. It makes tenants of its own and asks for nothing but the two
// addresses and the operator's key.
func Suite(t *testing.T, d Deployment, operatorKey string) {
	waiting := []string{ // for seconds, and together: they have tenants of their own
		"a stream outlives its token where that is renewed in time", "a job nobody reports on times out, and says so",
		"a job's bursts are told as few events, and the last", "who publishes for one client learns that it has left",
		"an event goes out signed, again where it failed, and dies and comes back",
		"an event's way is told, with times, and why somebody lacks it",
		"a source takes gzip once, refuses too much, answers as told",
	}
	for name, test := range map[string]func(*testing.T, Deployment, string){
		"a signed webhook reaches a stream, a poll and the history":                journey,
		"an altered webhook gets 401 and a repeated one is a duplicate":            doubtful,
		"a subscriber that comes back has missed nothing":                          resume,
		"one connection has several channels and one cursor":                       severalChannels,
		"tenants with the same channel never meet":                                 apart,
		"what retention took away is told as a gap":                                gap,
		"an ended channel ends its streams, and 204 from then on":                  ended,
		"a revoked token's stream ends within two seconds":                         revoked,
		"a suspended tenant's streams end, and its webhooks are refused":           suspended,
		"live connections are listed, renewed and closed":                          connections,
		"a stream outlives its token where that is renewed in time":                renewed,
		"a month's events are counted, told of and held":                           monthly,
		"over its connections a page is told in-band and curl by 429":              quota,
		"a policy ends the streams that lost their right within 2 s":               policed,
		"a hidden field is on no way out, and follows the policy":                  hidden,
		"an endpoint is proven, tested and rotated, and its URL checked":           endpoints,
		"a source takes gzip once, refuses too much, answers as told":              edges,
		"events are listed over all channels, downloaded and replayed":             catalogue,
		"an export is whole, in however many parts":                                exports,
		"an event's way is told, with times, and why somebody lacks it":            traces,
		"the command line listens, tails, publishes and traces":                    developer,
		"what listen forwards, the providers' own libraries take":                  forwardedWhole,
		"every change is in the audit log":                                         audits,
		"somebody else's stream is forwarded once, without its key":                forwarded,
		"who publishes for one client learns that it has left":                     feedback,
		"a job is told to who comes early, late and after its end":                 jobs,
		"a job's bursts are told as few events, and the last":                      bursts,
		"an endpoint does a job, however long it takes":                            runs,
		"a job nobody reports on times out, and says so":                           silent,
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

func journey(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "journey")
	source := d.GitHubSource(t, tenant, "github.{repository.name}")
	token := d.Token(t, tenant, "page", "github.*")
	stream := d.MustSubscribe(t, token, "", nil, "github.shop")

	body := []byte(`{"repository": {"name": "Shop"}, "n": 1.50}`)
	accepted := d.mustPost(t, source, "delivery-1", body, 202)
	if accepted.Channel != "github.shop" {
		t.Errorf("the template gave channel %q", accepted.Channel)
	}
	f := mustNext(t, stream)
	if f.Event != "push" || f.ID != "1" || f.Data != string(body) {
		t.Errorf("streamed %+v", f)
	}

	var page struct {
		Data       []Event
		NextCursor string `json:"next_cursor"`
	}
	d.mustGet(t, d.Stream+"/v1/poll?channel=github.shop&after=0&wait=0", token).JSON(t, &page)
	if len(page.Data) != 1 || page.Data[0].ID != accepted.ID || page.NextCursor != "1" {
		t.Errorf("polled %+v", page)
	}
	if h := d.History(t, tenant, "github.shop"); len(h) != 1 || h[0].ID != accepted.ID || string(h[0].Data) != `{"repository":{"name":"Shop"},"n":1.50}` {
		t.Errorf("history %+v", h)
	}
	var event Event
	d.Must(t, "GET", "/v1/events/"+accepted.ID, tenant.Key, nil).Want(t, 200).JSON(t, &event)
	if event.Seq != 1 || event.Channel != "github.shop" {
		t.Errorf("event %+v", event)
	}
}

func doubtful(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "doubtful")
	source := d.GitHubSource(t, tenant, "orders")
	body := []byte(`{"n":1}`)
	first := d.mustPost(t, source, "d-1", body, 202)
	awaitEvents(t, d, tenant, "orders", 1)
	if again := d.mustPost(t, source, "d-1", body, 200); !again.Duplicate || again.ID != first.ID {
		t.Errorf("the repeated delivery is %+v, the first was %+v", again, first)
	}
	forged := source
	forged.Secret = "another secret than the source's"
	a, err := d.GitHub(t.Context(), forged, "d-2", body)
	if err != nil || a.Status != 401 || !strings.Contains(string(a.Body), "signature_mismatch") {
		t.Errorf("forged: %v %d %s", err, a.Status, a.Body)
	}
	other := d.mustPost(t, source, "d-1", []byte(`{"n":2}`), 202)
	awaitEvents(t, d, tenant, "orders", 2)
	var event struct {
		DuplicateOf string `json:"duplicate_of"`
	}
	if other.ID == first.ID {
		t.Fatalf("another body under the same delivery id has the id %s, too", other.ID)
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
	// A native EventSource repeats the old URL: its header beats the ?after= in it.
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
		t.Errorf("after the cursor came %v", got)
	}
}

func apart(t *testing.T, d Deployment, _ string) {
	ours, theirs := d.Signup(t, "ours"), d.Signup(t, "theirs")
	ourStream := d.MustSubscribe(t, d.Token(t, ours, "page", "orders"), "", nil, "orders")
	theirStream := d.MustSubscribe(t, d.Token(t, theirs, "page", "orders"), "", nil, "orders")
	d.publish(t, theirs, "orders", 101, 101)
	d.publish(t, ours, "orders", 1, 2)
	if f := mustNext(t, ourStream); f.ID != "1" || f.Data != `{"n":1}` {
		t.Errorf("our stream has %+v", f)
	}
	if f := mustNext(t, theirStream); f.ID != "1" || f.Data != `{"n":101}` {
		t.Errorf("their stream has %+v", f)
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
		t.Errorf("%v %+v", err, f)
	}
	wantNumber(t, stream, 6)
}

func ended(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "ended")
	token := d.Token(t, tenant, "page", "job")
	stream := d.MustSubscribe(t, token, "", nil, "job")
	d.Must(t, "POST", "/v1/channels/job/events", tenant.Key, map[string]any{"type": "done", "data": map[string]int{"n": 1}, "end": true}).Want(t, 202)
	wantNumber(t, stream, 1)
	if f := mustNext(t, stream); f.Event != "hookcast.ended" || f.ID != "!stop" {
		t.Errorf("after the end came %+v", f)
	}
	if f, err := stream.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame came %+v, %v", f, err)
	}
	_, res, err := d.Subscribe(t.Context(), token, stream.Cursor, nil, "job")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 204 {
		t.Errorf("coming back is answered %s", res.Status)
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
	d.Must(t, "PATCH", "/v1/tenants/"+tenant.ID, operatorKey, map[string]any{"limits": map[string]int{"connections": 1}}).Want(t, 200)
	token := d.Token(t, tenant, "page", "orders")
	first := d.MustSubscribe(t, token, "", nil, "orders")
	s, res, err := d.Subscribe(t.Context(), token, "", nil, "orders")
	if err != nil || res.StatusCode != 200 {
		t.Fatal(err, res)
	}
	defer s.Close()
	if f := mustNext(t, s); f.Event != "hookcast.quota" || !strings.Contains(f.Data, "connection_limit") {
		t.Errorf("over the limit an EventSource gets %+v", f)
	}
	if _, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream goes on: %v", err)
	}
	a := d.get(t, d.Stream+"/v1/stream?channel=orders", token).Want(t, 429)
	if a.Header.Get("Retry-After") == "" || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("over the limit curl gets %v %s", a.Header, a.Body)
	}
	first.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		s, _, err := d.Subscribe(t.Context(), token, "", nil, "orders")
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.Next()
		s.Close()
		if err == nil && f.Event == "hookcast.open" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the slot does not come back")
		}
	}
}
