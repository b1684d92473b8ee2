package endtoend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// workstation is a developer's machine: the command line, with its own settings.
type workstation struct {
	binary string
	env    []string
}

func newWorkstation(t *testing.T) workstation {
	t.Helper()
	dir := t.TempDir()
	binary, err := Build(dir, "infra/hookcast")
	if err != nil {
		t.Fatal(err)
	}
	k := workstation{binary: binary}
	k.env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HOOKCAST_") })
	k.env = append(k.env, "HOME="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, "settings"))
	return k
}

// run runs a command to its end, wants the exit code, and returns both outputs.
func (k workstation) run(t *testing.T, exit int, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), k.binary, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = k.env, strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != exit {
		t.Fatalf("hookcast %v: %v, want exit code %d\n%s%s", args, err, exit, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

// login logs in with the tenant's key.
func (k workstation) login(t *testing.T, d Deployment, by Tenant) {
	t.Helper()
	out, _ := k.run(t, 0, by.Key+"\n", "login", "-api", d.API, "-stream", d.Stream)
	if !strings.HasPrefix(out, "logged in at "+d.API) || strings.Contains(out, by.Key) {
		t.Errorf("login printed %s", out)
	}
}

// listenCommand is a running "hookcast listen".
type listenCommand struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	b   bytes.Buffer // both outputs
}

func (l *listenCommand) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *listenCommand) output() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (k workstation) listen(t *testing.T, args ...string) *listenCommand {
	t.Helper()
	l := &listenCommand{cmd: exec.Command(k.binary, append([]string{"listen"}, args...)...)}
	l.cmd.Env, l.cmd.Stdout, l.cmd.Stderr = k.env, l, l
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if l.cmd.ProcessState == nil {
			_ = l.cmd.Process.Kill()
			_ = l.cmd.Wait()
		}
	})
	await(t, "listen to be connected", l.output, func(output string) bool {
		return strings.Contains(output, ": connected to ")
	})
	return l
}

// stop ends the command as Ctrl-C does.
func (l *listenCommand) stop(t *testing.T) {
	t.Helper()
	_ = l.cmd.Process.Signal(os.Interrupt)
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("listen ended with %v\n%s", err, l.output())
	}
}

// developer forwards webhooks to a program on the developer's machine, across a restart of the command, and inspects
// them there.
func developer(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "developer")
	source := d.GitHubSource(t, tenant, "hooks")
	k, p := newWorkstation(t), NewProgram(t, 200)
	if _, output := k.run(t, 4, "", "tail", "hooks"); !strings.Contains(output, "run hookcast login") {
		t.Errorf("without a key tail printed %s", output)
	}
	if d.API != d.Stream { // two hosts
		if _, output := k.run(t, 1, tenant.Key, "login", "-api", d.API); !strings.Contains(output, "login -stream") {
			t.Errorf("with the API's host alone login printed %s", output)
		}
	}
	k.login(t, d, tenant)

	post := func(delivery, body string, header ...string) {
		t.Helper()
		d.post(t, source, delivery, []byte(body), header...).Want(t, 202)
	}
	text, raw := "{ \"n\":1.50,\r\n\t\"x\":\"caf\u00e9 \u2028\" }\n", make([]byte, 256)
	for i := range raw {
		raw[i] = byte(i)
	}
	line := []string{"-resume", "-forward", p.URL + "/in", source.ID}
	l := k.listen(t, line...)
	post("d-1", text)
	post("d-2", string(raw), "Content-Type", "application/octet-stream")
	p.Await(t, 2)
	// The second webhook may come again unless the command got its answer before it stops.
	await(t, "two answers in the output of listen", l.output, func(output string) bool {
		return strings.Count(output, ": 200 OK in ") == 2
	})
	l.stop(t)
	post("d-3", `{"while":"away"}`)
	l = k.listen(t, line...)
	got := p.Await(t, 3)
	l.stop(t)
	wantArrivals(t, got, source, []Arrival{
		{http.Header{"Content-Type": {"application/json"}, "X-Github-Delivery": {"d-1"}}, text},
		{http.Header{"Content-Type": {"application/octet-stream"}, "X-Github-Delivery": {"d-2"}}, string(raw)},
		{http.Header{"Content-Type": {"application/json"}, "X-Github-Delivery": {"d-3"}}, `{"while":"away"}`},
	})
	k.inspect(t, d, tenant, got)
}

// inspect lists, publishes and traces events with the command line; got holds the events of the channel hooks.
func (k workstation) inspect(t *testing.T, d Deployment, tenant Tenant, got []Arrival) {
	t.Helper()
	out, _ := k.run(t, 0, "", "tail", "-json", "-since", "0", "-count", "3", "hooks")
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq != int64(i+1) || e.Type != "push" ||
			e.ID != got[i].Header.Get("Hookcast-Event-Id") {
			t.Errorf("line %d of tail is %s, %v", i, line, err)
		}
	}
	out, _ = k.run(t, 0, `{"total":42}`, "publish", "-type", "order.paid", "orders")
	id := regexp.MustCompile(`^evt_[0-9a-z]{26}`).FindString(out)
	if id == "" || !strings.Contains(out, " is accepted for orders; ") {
		t.Fatalf("publish printed %s", out)
	}
	awaitEvents(t, d, tenant, "orders", 1)
	if h := d.History(t, tenant, "orders"); len(h) != 1 || h[0].ID != id || h[0].Type != "order.paid" ||
		string(h[0].Data) != `{"total":42}` {
		t.Errorf("the channel has %+v, want the published event", h)
	}
	out, _ = k.run(t, 0, "", "trace", got[0].Header.Get("Hookcast-Event-Id"))
	if lines := strings.Split(out, "\n"); !strings.HasSuffix(lines[0], " hooks#1 push") ||
		!regexp.MustCompile(`\+0 ms +received .*delivery_id=d-1`).MatchString(out) ||
		!regexp.MustCompile(`verified .*scheme=github`).MatchString(out) || !strings.Contains(out, "appended") ||
		!strings.Contains(out, " in all") {
		t.Errorf("trace printed %s", out)
	}

	var key struct{ ID, Secret string }
	d.Must(t, "POST", "/v1/keys", tenant.Key, map[string]string{"name": "laptop", "role": "publisher"}).
		Want(t, 201).JSON(t, &key)
	k.env = append(k.env, "HOOKCAST_KEY="+key.Secret)
	if _, output := k.run(t, 4, "", "tail", "orders"); !strings.Contains(output, "channel_forbidden") ||
		strings.Contains(output, key.Secret) {
		t.Errorf("without the permission tail printed %s", output)
	}
}

// wantArrivals wants the events of the source in this order, with these headers among others, and both signatures.
func wantArrivals(t *testing.T, got []Arrival, source Source, wanted []Arrival) {
	t.Helper()
	for i, want := range wanted {

		want.Header["X-Github-Event"] = []string{"push"}
		want.Header["Hookcast-Channel"] = []string{"hooks"}
		want.Header["Hookcast-Seq"] = []string{fmt.Sprint(i + 1)}
		want.Header["Hookcast-Source-Id"] = []string{source.ID}
		if got[i].Body != want.Body || !strings.HasPrefix(got[i].Header.Get("X-Hub-Signature-256"), "sha256=") ||
			got[i].Header.Get("Webhook-Signature") == "" {
			t.Errorf("event %d arrived as %q %v", i+1, got[i].Body, got[i].Header)
		}
		for name, values := range want.Header {
			if !slices.Equal(got[i].Header[name], values) {
				t.Errorf("event %d has %s: %q, want %q", i+1, name, got[i].Header[name], values)
			}
		}
	}
}

// forwardedToLibraries lets the libraries of GitHub and Stripe sign webhooks, and verify what listen forwards.
func forwardedToLibraries(t *testing.T, d Deployment, _ string) {
	libraries := OpenLibraries(t)
	tenant := d.Signup(t, "whole")
	k, p := newWorkstation(t), NewProgram(t, 200)
	k.login(t, d, tenant)
	const body = "{ \"id\":\"evt_1\",\r\n\t\"object\":\"event\", \"type\":\"push\", \"data\":{\"object\":{}}, " +
		"\"x\":\"caf\u00e9 \u2028\" }\n"
	secrets := map[string]string{"github": "a secret of the test's own", "stripe": "whsec_" + strings.Repeat("ab", 16)}
	line := []string{"-forward", p.URL}
	var jobs []SignJob
	for name, secret := range secrets {
		s := Source{Secret: secret}
		d.Must(t, "POST", "/v1/sources", tenant.Key, map[string]string{"name": name, "provider": name, "secret": secret,
			"channel": name}).Want(t, 201).JSON(t, &s)
		line = append(line, s.ID)
		jobs = append(jobs, SignJob{Registration: Registration{name, secret, s.URL}, Body: body})
	}
	l := k.listen(t, line...)
	await(t, "both channels in the output of listen", l.output, func(output string) bool {
		return strings.Contains(output, "github") && strings.Contains(output, "stripe")
	})
	for i := range jobs {
		jobs[i].Now = time.Now().UnixMilli()
	}
	for i, signed := range libraries.Ask(t, jobs, nil).Signed {
		header := []string{"Content-Type", "application/json; charset=utf-8", "X-GitHub-Event", "push"}
		for name, value := range signed.Headers {
			header = append(header, name, value)
		}
		a, err := Deployment{API: jobs[i].URL, HTTP: d.HTTP}.Do(t.Context(), "POST", "", "", []byte(body), header...)
		if err != nil {
			t.Fatal(err)
		}
		a.Want(t, 202)
	}
	arrived := p.Await(t, len(jobs))
	l.stop(t)
	out, _ := k.run(t, 0, "", "listen", "-print-secret")
	secrets["standard-webhooks"] = strings.TrimSpace(out) // our own signature
	wantVerified(t, libraries, arrived, secrets, body)
}

// wantVerified wants each provider's library to accept the arrivals with its secret, and to refuse altered ones.
func wantVerified(t *testing.T, libraries Libraries, arrived []Arrival, secrets map[string]string, body string) {
	t.Helper()
	var requests []Webhook
	for _, a := range arrived {
		header := make(map[string]string)
		for name, values := range a.Header {
			header[strings.ToLower(name)] = values[0]
		}
		for _, name := range []string{a.Header.Get("Hookcast-Channel"), "standard-webhooks"} {
			w := Webhook{Registration: Registration{Provider: name, Secret: secrets[name]}, Headers: header,
				Body: a.Body}
			altered := w
			altered.Body += " "
			requests = append(requests, w, altered)
		}
		if a.Body != body {
			t.Errorf("the body arrived as %q, want %q", a.Body, body)
		}
	}
	for i, taken := range libraries.Ask(t, nil, requests).Verified {
		if taken != (i%2 == 0) {
			t.Errorf("the library of %s accepts %v: %v, want %v", requests[i].Provider, requests[i].Headers,
				taken, i%2 == 0)
		}
	}
}
