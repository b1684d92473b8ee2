package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
)

// The bytes that a provider signed arrive unchanged: the provider's own library verifies them with the provider's
// secret, and the one of Standard Webhooks with ours.
func TestWhatListenForwardsIsTakenByTheProvidersOwnLibraries(t *testing.T) {
	libraries := endtoend.OpenLibraries(t)
	b := startBox(t)
	d, p := b.machine(t), endtoend.NewProgram(t, 200)
	names := []string{"github", "stripe", "standard-webhooks", "svix", "slack", "gitlab-signing", "razorpay"}
	sources := make(map[string]endtoend.Source)
	line := []string{"listen", "-forward", p.URL + "/in"}
	for _, name := range names {
		sources[name] = b.source(t, name, "hooks."+name)
		line = append(line, sources[name].ID)
	}
	stop, _ := d.begins(t, line...)
	d.err.await(t, "connected to", 1)
	const body = "{ \"id\":\"evt_1\",\r\n\t\"type\":\"push\", \"object\":\"event\", \"data\":{\"object\":{}}, " +
		"\"x\":\"caf\u00e9 \u2028\" }\n"
	for _, name := range names {
		b.hook(t, name, sources[name], "msg_1", body, "Content-Type", "application/json; charset=utf-8",
			"X-GitHub-Event", "push")
	}
	d.out.await(t, ": 200 OK in ", len(names))
	if code := stop(); code != 0 {
		t.Errorf("listen exited with %d, want 0: %s", code, d.err)
	}
	d.out = newOutput()
	d.stdout = d.out
	d.runs(t, 0, "listen", "-print-secret")
	ours := strings.TrimSpace(d.out.String())
	var requests []endtoend.Webhook
	for _, a := range p.All() {
		name := ""
		for _, n := range names {
			if a.Header.Get("Hookcast-Channel") == "hooks."+n {
				name = n
			}
		}
		wantForwarded(t, a, name, body, sources[name].ID)
		header := make(map[string]string)
		for key, values := range a.Header {
			header[strings.ToLower(key)] = values[0]
		}
		s := sources[name]
		for _, r := range []struct{ provider, secret, body string }{{name, s.Secret, a.Body},
			{name, s.Secret, a.Body + " "}, {"standard-webhooks", ours, a.Body},
			{"standard-webhooks", ours, a.Body + " "}} {
			requests = append(requests, endtoend.Webhook{Registration: endtoend.Registration{Provider: r.provider,
				Secret: r.secret, URL: s.URL}, Headers: header, Body: r.body})
		}
	}
	if len(requests) != 4*len(names) {
		t.Fatalf("%d requests arrived, want %d", len(requests)/4, len(names))
	}
	for i, taken := range libraries.Ask(t, nil, requests).Verified {
		if taken != (i%2 == 0) {
			t.Errorf("request %d of %s with %v: verified is %v, want %v", i, requests[i].Provider, requests[i].Headers,
				taken, !taken)
		}
	}
}

// wantForwarded checks the body and the headers of a forwarded webhook of the provider.
func wantForwarded(t *testing.T, a endtoend.Arrival, provider, body, sourceID string) {
	t.Helper()
	if a.Body != body || a.Header.Get("Content-Type") != "application/json; charset=utf-8" ||
		a.Header.Get("Cookie") != "" || a.Header.Get("Hookcast-Source-Id") != sourceID {
		t.Errorf("%s: got body %q and header %v, want the provider's body, its media type and source %s",
			provider, a.Body, a.Header, sourceID)
	}
	if got := a.Header.Get("X-Github-Event"); (got == "push") != (provider == "github") {
		t.Errorf("%s: got X-GitHub-Event %q, want push for github alone", provider, got)
	}
}

// The server is killed while listen runs: listen continues where it was and forwards nothing twice.
func TestListenOutlivesTheServerAndItself(t *testing.T) {
	b := startBox(t)
	d, p := b.machine(t), endtoend.NewProgram(t, 204)
	line := []string{"listen", "-resume", "-forward", p.URL, "a", "b"}
	stop, _ := d.begins(t, line...)
	d.err.await(t, "connected to a b", 1)
	b.publish(t, "a", "x", "1")
	b.publish(t, "b", "x", "2")
	d.out.await(t, ": 204 No Content", 2)
	b.kill()
	d.err.await(t, "; reconnecting in ", 1)
	b.start(t)
	b.publish(t, "a", "x", "3") // perhaps before listen has reconnected
	d.out.await(t, ": 204 No Content", 3)
	if code := stop(); code != 0 {
		t.Fatalf("listen exited with %d, want 0: %s", code, d.err)
	}
	b.publish(t, "b", "x", "4")
	b.publish(t, "a", "x", "5")
	stop, _ = d.begins(t, line...)
	d.out.await(t, ": 204 No Content", 5)
	stop()
	got := p.Bodies()
	slices.Sort(got)
	if strings.Join(got, "") != "12345" {
		t.Errorf("events %v arrived, want 1 to 5 once each", got)
	}
	if said := d.err.String(); !strings.Contains(said, b.Stream+": the connection was cut; reconnecting in") &&
		!strings.Contains(said, "connection refused") {
		t.Errorf("listen said %s, want why the connection ended", said)
	}
	// Another target has its own position: it begins with new events.
	b.publish(t, "a", "x", "6")
	connects := strings.Count(d.err.String(), "connected to a b")
	stop, _ = d.begins(t, "listen", "-resume", "-forward", p.URL+"/other", "a", "b")
	d.err.await(t, "connected to a b", connects+1)
	b.publish(t, "a", "x", "7")
	d.out.await(t, ": 204 No Content", 6)
	stop()
	if got := p.Bodies(); len(got) != 6 || got[5] != "7" {
		t.Errorf("events %v arrived, want 7 alone after the first five", got)
	}
}

func TestARevokedKeyEndsListenWith4(t *testing.T) {
	b := startBox(t)
	var key struct{ ID, Secret string }
	b.Must(t, "POST", "/v1/keys", b.tenant.Key, map[string]string{"name": "laptop", "role": "viewer"}).
		Want(t, 201).JSON(t, &key)
	d, p := b.machine(t), endtoend.NewProgram(t, 200)
	d.vars[envKey] = key.Secret
	stop, exited := d.begins(t, "listen", "-forward", p.URL, "a")
	d.err.await(t, "connected to a", 1)
	b.Must(t, "DELETE", "/v1/keys/"+key.ID, b.tenant.Key, nil).Want(t, 204)
	select {
	case <-exited:
		code := stop()
		if said := d.err.String(); code != exitRefused || !strings.Contains(said, "hookcast: "+b.Stream+": ") ||
			strings.Contains(said, key.Secret) {
			t.Errorf("listen exited with %d, want %d: %s", code, exitRefused, said)
		}
	case <-time.After(time.Minute):
		t.Fatalf("listen goes on after its key was revoked: %s", d.err)
	}
	d.runs(t, exitRefused, "listen", "-forward", p.URL, "a")
}

// New channels of a source's template and of a pattern are found, types and sources filter events, and each argument
// has its own address.
func TestListenFindsChannelsAndFilters(t *testing.T) {
	t.Parallel()
	b := startBox(t)
	d, p, q := b.machine(t), endtoend.NewProgram(t, 500), endtoend.NewProgram(t, 200)
	s := b.source(t, "github", "repo.{repository.name}.{type}")
	other := b.source(t, "github", "repo.shop.push")
	b.publish(t, "orders.old", "paid", `"before"`)
	stop, _ := d.begins(t, "listen", "-forward", p.URL, "-type", "pa*", "-type", "push", s.ID, "orders.*="+q.URL+"/o")
	d.err.await(t, "connected to orders.old", 1)
	b.publish(t, "orders.old", "paid", `"old"`)
	d.out.await(t, "orders.old#2 paid", 1)
	body := `{"repository":{"name":"Shop"}}`
	b.hook(t, "github", s, "d-1", body, "X-GitHub-Event", "push")
	b.hook(t, "github", other, "d-2", body, "X-GitHub-Event", "push")
	b.hook(t, "github", s, "d-3", body, "X-GitHub-Event", "issues")
	b.publish(t, "repo.shop", "paid", `"another channel"`)
	b.publish(t, "orders.new", "paid", `"new"`)
	b.publish(t, "orders.new", "lost", `"of another type"`)
	d.out.await(t, "\n", 3)
	b.publish(t, "orders.new", "paid.late", `"late"`)
	d.out.await(t, "\n", 4)
	stop()
	if got := p.All(); len(got) != 1 || got[0].Body != body || got[0].Header.Get("X-Github-Delivery") != "d-1" {
		t.Errorf("the source's program received %v, want delivery d-1 alone", got)
	}
	got := q.Bodies()
	slices.Sort(got)
	if strings.Join(got, "") != `"late""new""old"` {
		t.Errorf("the pattern's program received %v, want late, new and old", got)
	}
	if said := d.out.String(); !strings.Contains(said, "push evt_") ||
		!strings.Contains(said, ": 500 Internal Server Error in ") || !strings.Contains(said, q.URL+"/o: 200 OK in ") {
		t.Errorf("listen printed %s, want a line for each event with the status of its program", said)
	}
}

// A signature covers the bytes on the wire. A gzip body is forwarded decoded, with a note and without the provider's
// signature, which would not match.
func TestWhatCameInGzipIsForwardedDecodedAndSaysSo(t *testing.T) {
	b := startBox(t)
	d, p := b.machine(t), endtoend.NewProgram(t, 200)
	s := b.source(t, "github", "hooks")
	stop, _ := d.begins(t, "listen", "-forward", p.URL, s.ID)
	d.err.await(t, "connected to hooks", 1)
	var wire bytes.Buffer
	z := gzip.NewWriter(&wire)
	fmt.Fprint(z, `{"a":1}`)
	z.Close()
	b.hook(t, "github", s, "d-1", wire.String(), "Content-Encoding", "gzip", "Content-Type", "application/json",
		"X-GitHub-Event", "push")
	d.out.await(t, "decoded from gzip, therefore without the provider's signature", 1)
	stop()
	a := p.All()[0]
	if a.Body != `{"a":1}` || a.Header.Get("X-Hub-Signature-256") != "" || a.Header.Get("Content-Encoding") != "" ||
		a.Header.Get("X-Github-Event") != "push" || a.Header.Get("Webhook-Signature") == "" {
		t.Errorf("got body %q and header %v, want the decoded body with our signature alone", a.Body, a.Header)
	}
}

// Attack: a program on the developer's machine sends forwarded events back in a loop, or redirects them to another
// host.
func TestListenForwardsNoLoopAndFollowsNoRedirect(t *testing.T) {
	b := startBox(t)
	d := b.machine(t)
	elsewhere := endtoend.NewProgram(t, 200)
	moved := endtoend.NewProgram(t, 200)
	moved.Config.Handler = http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect)
	stop, _ := d.begins(t, "listen", "-forward", moved.URL, "a")
	d.err.await(t, "connected to a", 1)
	b.Must(t, "POST", "/v1/channels/a/events", b.tenant.Key, []byte(`{"type":"x","data":1}`),
		"Hookcast-Hops", "3").Want(t, 202)
	b.Must(t, "POST", "/v1/channels/a/events", b.tenant.Key, []byte(`{"type":"x\u009b","data":2}`),
		"Hookcast-Hops", "2")
	b.publish(t, "a", "x", "3")
	d.out.await(t, ": 307 Temporary Redirect in ", 1)
	stop()
	if said := d.out.String(); !strings.Contains(said, "not sent: the event has been forwarded three times already") {
		t.Errorf("listen printed %s, want that the loop was stopped", said)
	}
	if got := elsewhere.All(); len(got) > 0 {
		t.Errorf("the target of the redirect received %v, want nothing", got)
	}
}

// listen waits for a program that is being started. Without -wait it reports the program as missing and continues
// with the next event.
func TestAProgramThatIsBeingStartedIsWaitedFor(t *testing.T) {
	b := startBox(t)
	d := b.machine(t)
	p, addr := endtoend.NewProgram(t, 200), peers.FreeAddr()
	stop, _ := d.begins(t, "listen", "-wait", "0s", "-forward", addr, "a")
	d.err.await(t, "connected to a", 1)
	b.publish(t, "a", "x", "1")
	b.publish(t, "a", "x", "2")
	d.out.await(t, "not delivered: no program listens there (connection refused)", 2)
	stop()
	stop, _ = d.begins(t, "listen", "-wait", "5m", "-resume", "-forward", addr, "a")
	d.err.await(t, "connected to a", 2)
	b.publish(t, "a", "x", "3")
	later := &http.Server{Addr: addr, Handler: p.Config.Handler}
	served := make(chan error, 1)
	go func() { served <- later.ListenAndServe() }()
	t.Cleanup(func() { later.Close(); <-served })
	d.out.await(t, ": 200 OK in ", 1)
	stop()
	if got := p.Bodies(); len(got) != 1 || got[0] != "3" {
		t.Errorf("events %v arrived, want 3 alone", got)
	}
}

func TestSignedByTheCommandIsTaken(t *testing.T) {
	b := startBox(t)
	for _, name := range []string{"github", "stripe", "slack", "twilio", "gitlab", "svix"} {
		d := b.machine(t)
		s := b.source(t, name, "signed")
		d.vars[envSecret] = s.Secret
		body := `{"id":"evt_` + name + `","it's":"$(x)\n"}`
		media := "application/json"
		if name == "twilio" {
			body, media = "Body=it's+%24x&From=1", "application/x-www-form-urlencoded"
		}
		d.stdin = strings.NewReader(body)
		d.runs(t, 0, "sign", "-provider", name, "-url", s.URL, "-content-type", media)
		said := d.out.String()
		_, line, found := strings.Cut(said, "\n\n")
		if !found || strings.Contains(said, s.Secret) != (name == "gitlab") {
			t.Fatalf("sign -provider %s printed %s, want headers and a curl command", name, said)
		}
		if out := pasted(t, line); !strings.Contains(out, `"channel":"signed"`) {
			t.Errorf("the response to %s of %s is %s, want the channel signed", line, name, out)
		}
	}
	d := b.machine(t)
	d.vars[envSecret] = strings.Repeat("ab", 32)
	d.stdin = strings.NewReader(`{"notificationItems":[{"NotificationRequestItem":` +
		`{"additionalData":{"hmacSignature":""},"pspReference":"1","success":"true"}}]}`)
	d.runs(t, 0, "sign", "-provider", "adyen")
	if said := d.out.String(); !strings.Contains(said, "hmacSignature") {
		t.Errorf("sign -provider adyen printed %s, want the field hmacSignature", said)
	}
}

func TestPublishAndTail(t *testing.T) {
	b := startBox(t)
	d := b.machine(t)
	d.runs(t, 0, "publish", "-type", "note", "-id", "1", "a", `{"x":"\u001b[2J\u0007"}`)
	d.stdin = strings.NewReader("text \x1b]0;title\x07")
	d.runs(t, 0, "publish", "-text", "a")
	if said := d.out.String(); strings.Count(said, " is accepted for a; 0 listening") != 2 {
		t.Errorf("publish printed %s, want two accepted events", said)
	}
	d.out = newOutput()
	d.stdout = d.out
	d.runs(t, 0, "tail", "-since", "0", "-count", "2", "a")
	d.runs(t, 0, "publish", "-type", "note", "-id", "1", "a", `{"x":"\u001b[2J\u0007"}`)
	if said := d.err.String() + d.out.String(); !strings.Contains(said, " is already in a; ") {
		t.Errorf("a repeated publish printed %s, want that the event is already in a", said)
	}
	if said := d.out.String(); strings.ContainsAny(said, "\x1b\x07") || strings.Count(said, "\n") != 3 ||
		!strings.Contains(said, "a#1 note") {
		t.Errorf("tail and publish printed %q, want three lines without control characters", said)
	}
	d.out = newOutput()
	d.stdout = d.out
	d.runs(t, 0, "tail", "-json", "-since", "1", "-count", "1", "a")
	if said := d.out.String(); !strings.HasPrefix(said, `{"id":"evt_`) || !strings.Contains(said, `"seq":2`) {
		t.Errorf("tail -json printed %q, want event 2 as JSON", said)
	}
	id := regexp.MustCompile(`evt_[0-9a-z]{26}`).FindString(d.out.String())
	d.out = newOutput()
	d.stdout = d.out
	d.runs(t, 0, "trace", id)
	if said := d.out.String(); !strings.HasPrefix(said, id+" a#2 ") || !strings.Contains(said, "received") ||
		!strings.Contains(said, "appended") || !strings.Contains(said, " in all") {
		t.Errorf("trace printed %q, want the steps of event %s", said, id)
	}
	d.runs(t, exitFailed, "publish", "hookcast.notices", "1")
	d.runs(t, exitFailed, "tail", "-since", "rubbish", "a")
	b.Must(t, "POST", "/v1/channels/over/events", b.tenant.Key,
		map[string]any{"type": "x", "data": 1, "end": true}).Want(t, 202)
	d.runs(t, 0, "tail", "-since", "0", "over") // the channel has ended
}

func TestShapeOfATemplate(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		template, channel string
		want              bool
	}{
		{"github.{repository.name}", "github.shop", true},
		{"github.{repository.name}", "github.shop.x", false},
		{"github.{repository.name}", "githubx.shop", false},
		{"{type}", "push", true},
		{"{type}", "a.b", false},
		{"a-{x}.{header:X-Y}.z", "a-1.2.z", true},
		{"a-{x}.{header:X-Y}.z", "a-1.2", false},
		{"a-{x}-end.z", "a-" + long[2:] + ".z", true}, // a segment cut at its longest
		{"a-{x}-end.z", "b-" + long[2:] + ".z", false},
	} {
		if got := shapeOf(c.template)(c.channel); got != c.want {
			t.Errorf("shapeOf(%q)(%q) = %v, want %v", c.template, c.channel, got, c.want)
		}
	}
}

func TestThePlaceIsKeptForEachTenantAndTarget(t *testing.T) {
	dir := t.TempDir()
	paths := make(map[string]bool)
	for _, parts := range [][]string{{"api", "ten_1", "to", "a"}, {"api", "ten_2", "to", "a"},
		{"api", "ten_1", "to2", "a"}, {"api", "ten_1", "to", "a", "b"}} {
		p, err := openPositions(dir, true, parts...)
		if err != nil {
			t.Fatal(err)
		}
		p.moved([]string{"a"}, "7")
		paths[filepath.Base(p.path)] = true
	}
	if len(paths) != 4 {
		t.Errorf("got files %v, want one for each of 4 runs", slices.Collect(maps.Keys(paths)))
	}
	p, err := openPositions(dir, true, "api", "ten_1", "to", "a")
	if err != nil || p.cursor([]string{"a"}) != "7" || p.cursor([]string{"a", "b"}) != "" {
		t.Errorf("with resume positions are %v, %v, want a at 7 alone", p.at, err)
	}
	if p, err = openPositions(dir, false, "api", "ten_1", "to", "a"); err != nil || p.cursor([]string{"a"}) != "" {
		t.Errorf("without resume positions are %v, %v, want none", p.at, err)
	}
	p.moved([]string{"a"}, "rubbish")
	if p.known("a") {
		t.Errorf("an invalid cursor set positions %v", p.at)
	}
}
