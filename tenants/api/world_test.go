package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/functions/ingest"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/erasure"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/filter"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/token"
)

const publicURL = "https://hooks.example.com"

// world is the API and ingest over simulated storage. It checks each exchange against the contract. At the end, its log
// and its error answers must not contain any secret that it has issued or received.
type world struct {
	t        testing.TB
	api      http.Handler
	ingest   http.Handler
	table    *tenantstest.Table
	queue    *tenantstest.Queue
	appender *intake.Appender
	log      *eventlog.Log
	index    *projection.EventIndex
	feed     *tenantstest.Feed // for the index
	hub      *seats
	outbox   *delivery.Outbox
	posts    *receivers
	operator string // the operator's key
	logged   *buffer

	mu      sync.Mutex
	secrets []string
	refused []string // bodies of error answers
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type noInboxes struct{}

func (noInboxes) Send(context.Context, string, ...tenants.InboxMessage) error { return nil }

func newWorld(t testing.TB, change ...func(*api.Options)) *world {
	t.Helper()
	w := &world{t: t, table: tenantstest.NewTable(tenantstest.Faults{}),
		queue: tenantstest.NewQueue(tenantstest.QueueOptions{MaxReceives: 5}), logged: &buffer{}}
	ctx, vault := t.Context(), tenantstest.NewVault()
	deployment, err := keyring.Open(ctx, w.table, vault)
	w.must(err)
	accounts := account.NewAccounts(w.table, account.NewNews(w.table, noInboxes{}))
	signers := account.NewSigners(accounts, vault, deployment)
	keys := account.NewKeys(accounts, signers)
	sources := source.NewSources(w.table, accounts, vault, deployment)
	policies := access.NewPolicies(w.table, accounts)
	gate, err := access.NewGate(policies)
	w.must(err)
	w.log = eventlog.New(w.table)
	w.index, w.feed = projection.NewEventIndex(w.table), w.table.Feed()
	in := intake.NewIntake(accounts, w.log, w.queue)
	w.appender = intake.NewAppender(w.log, node.NewInterest(w.table), noInboxes{}, w.queue)
	filters, err := filter.New()
	w.must(err)
	w.posts = &receivers{}
	endpoints := endpoint.NewEndpoints(w.table, accounts, vault, deployment,
		endpoint.Options{Filter: filters, Destinations: nowhere(t), Challenge: true})
	logger := slog.New(slog.NewTextHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	verifier := source.NewVerifier(nil)
	w.outbox = &delivery.Outbox{
		Table: w.table, Log: w.log, Endpoints: endpoints, Tenants: accounts,
		Ready:   tenantstest.NewQueue(tenantstest.QueueOptions{}),
		Waiting: tenantstest.NewQueue(tenantstest.QueueOptions{}), Logger: logger,
	}
	deliveries := delivery.NewDeliveries(w.outbox)
	o := api.Options{
		Deliveries: deliveries, Recovery: deliveries, Proxies: proxy.NewProxies(w.table, accounts, vault, nowhere(t)),
		Table: w.table, Accounts: accounts, Erasure: erasure.NewErasure(w.table, accounts), Keys: keys,
		Sources: sources, Verifier: verifier, Endpoints: endpoints,
		Probe: endpoint.NewProbe(endpoints, w.posts), Log: w.log, Publisher: intake.NewPublisher(in),
		Jobs:   job.NewJobs(w.table, in, deployment),
		Tokens: token.New(w.table, accounts, signers), Gate: gate, Policies: policies, Cursors: deployment.Cursors(),
		Subscribers: func(context.Context, tenants.TenantID, string) int { return 3 },
		Connections: w.serveConnections(), Usage: projection.NewMonthlyUsage(w.table), Index: w.index,
		Audit:  account.NewAuditLog(w.table),
		Logger: logger, SignupOpen: true, PublicURL: publicURL,
	}
	for _, c := range change {
		c(&o)
	}
	w.api = api.New(o)
	w.ingest = ingest.Handler(ingest.Options{
		Receiver: intake.NewReceiver(sources, verifier, in), Logger: logger, PublicURL: publicURL,
		MaxBody: tenants.MaxEventBytes,
	})
	w.operator = account.NewOperatorKey()
	w.must(keys.EnsureOperator(ctx, w.operator))
	w.keep(w.operator)
	t.Cleanup(w.nothingLeaked)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// do sends a request with a credential, "" for none. The body is nil, a string that is sent unchanged, or a value that
// is marshalled. Headers are pairs of name and value.
func (w *world) do(method, path, credential string, body any, headers ...string) answer {
	w.t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		var err error
		b, err = json.Marshal(v)
		w.must(err)
	}
	r := request(method, path, string(b))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
		w.keep(credential)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.send(r, b)
}

func request(method, path, body string) *http.Request {
	return httptest.NewRequest(method, publicURL+path, strings.NewReader(body))
}

func (w *world) send(r *http.Request, body []byte) answer {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	served := r.Clone(r.Context())
	served.Body = io.NopCloser(bytes.NewReader(body))
	handler := w.api
	if strings.HasPrefix(r.URL.Path, ingest.Prefix) {
		handler = w.ingest
	}
	handler.ServeHTTP(recorder, served)
	a := answer{w.t, recorder.Code, recorder.Header(), recorder.Body.Bytes()}
	theContract(w.t).check(w.t, r, body, a.status, a.header, a.body)
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		w.t.Errorf("%s %s: headers %v, want Cache-Control no-store, X-Content-Type-Options nosniff", r.Method,
			r.URL.Path, a.header)
	}
	w.remember(a)
	return a
}

// keep records a secret.
func (w *world) keep(secret string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(secret) >= 12 && !slices.Contains(w.secrets, secret) {
		w.secrets = append(w.secrets, secret)
	}
}

// remember records the secrets in an answer, or the whole body of an error.
func (w *world) remember(a answer) {
	if a.status >= 400 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.refused = append(w.refused, string(a.body))
		return
	}
	var v any
	if json.Unmarshal(a.body, &v) == nil {
		w.collect(v)
	}
}

func (w *world) collect(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			w.collect(x)
		}
	case map[string]any:
		for name, x := range v {
			s, _ := x.(string)
			switch name {
			case "secret", "token":
				w.keep(s)
			case "url":
				w.keep(strings.TrimPrefix(s, publicURL+"/in/"))
			}
			w.collect(x)
		}
	}
}

func (w *world) nothingLeaked() {
	log := w.logged.String()
	for _, s := range w.secrets {
		if strings.Contains(log, s) {
			w.t.Errorf("the log contains a secret that begins with %.8s", s)
		}
		for _, said := range w.refused {
			if strings.Contains(said, s) {
				w.t.Errorf("a refusal shows a secret that begins with %.8s", s)
			}
		}
	}
}

// tenant is a tenant with its owner's key.
type tenant struct{ id, key string }

func (w *world) tenant(name string) tenant {
	w.t.Helper()
	a := w.do("POST", "/v1/tenants", w.operator, map[string]string{"name": name, "email": "ops@example.com"}).want(201)
	return tenant{a.get("tenant", "id"), a.get("api_key", "secret")}
}

// key makes a key of the role.
func (w *world) key(of tenant, role string) (id, secret string) {
	w.t.Helper()
	a := w.do("POST", "/v1/keys", of.key, map[string]string{"name": role, "role": role}).want(201)
	return a.get("id"), a.get("secret")
}

// publish sends an event and waits until it is in its channel.
func (w *world) publish(by tenant, channel, data string) (id string) {
	w.t.Helper()
	a := w.do("POST", "/v1/channels/"+channel+"/events", by.key, `{"type":"test","data":`+data+`}`).want(202)
	w.pump()
	return a.get("id")
}

// catchUp adds the events in the log to the index.
func (w *world) catchUp() {
	w.t.Helper()
	// the feed needs at least one change
	w.must(w.table.Write(w.t.Context(), tenants.Put(tenants.Key{Tenant: tenants.System, Kind: "test"}, []byte("{}"),
		time.Time{}, tenants.Anything())))
	changes, done, err := w.feed.Next(w.t.Context(), 100_000)
	w.must(err)
	_, err = w.index.Add(w.t.Context(), changes)
	w.must(err)
	w.must(done(w.t.Context()))
}

// pump appends the queued events to the log.
func (w *world) pump() {
	w.t.Helper()
	for {
		rs, err := w.queue.Receive(w.t.Context(), 10, 0)
		w.must(err)
		if len(rs) == 0 {
			return
		}
		if failed := w.appender.Append(w.t.Context(), rs); len(failed) > 0 {
			w.t.Fatalf("%d of %d messages failed, want 0", len(failed), len(rs))
		}
		w.must(w.queue.Done(w.t.Context(), rs...))
	}
}

// altered returns text with another last character.
func altered(text string) string {
	last := "0"
	if strings.HasSuffix(text, last) {
		last = "1"
	}
	return text[:len(text)-1] + last
}
