package streamer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/problem"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/token"
)

// world is an App that serves on a real socket, over simulated tables.
type world struct {
	*App
	addr     string
	log      *logBuffer
	accounts *account.Accounts
	keys     *account.Keys
	tokens   *token.Tokens
	events   *eventlog.Log
	hub      *hub.Hub
	policies *policies
	table    *tenantstest.Table
	vault    tenants.Vault
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// inbox is that of the only node; it handles news as a node does.
type inbox struct {
	hub    *hub.Hub
	rights Rights
}

func (i *inbox) Send(ctx context.Context, node string, ns ...tenants.InboxMessage) error {
	for _, n := range ns {
		if n.Channel == "" {
			i.rights.Forget(n.Tenant)
		}
	}
	return i.hub.Send(ctx, node, ns...)
}

const testNode = "nod_1"

// policies are the tenants' own rows. asked is called after they are read and before they are returned.
type policies struct {
	stored *access.Policies
	asked  func(tenants.TenantID)
}

func (p *policies) Policies(ctx context.Context, t tenants.TenantID) ([]access.Rule, int64, error) {
	rules, version, err := p.stored.Policies(ctx, t)
	p.asked(t)
	return rules, version, err
}

// setPolicy replaces the tenant's rows.
func (w *world) setPolicy(t testing.TB, id tenants.TenantID, rules ...access.Rule) {
	t.Helper()
	_, version, err := w.policies.stored.Policies(t.Context(), id)
	if err == nil {
		_, err = w.policies.stored.Set(t.Context(), id, rules, version)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	return newWorldOn(t, func(*hub.Options) {}, change...)
}

// newWorldOn allows changing the hub's options.
func newWorldOn(t testing.TB, h func(*hub.Options), change ...func(*Options)) *world {
	t.Helper()
	w := prepare(t, h, change...)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.serve(t, ln)
	return w
}

// prepare makes a world that does not serve yet.
func prepare(t testing.TB, h func(*hub.Options), change ...func(*Options)) *world {
	t.Helper()
	table, vault := tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewVault()
	deployment, err := keyring.Open(t.Context(), table, vault)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{log: &logBuffer{}, events: eventlog.New(table), table: table, vault: vault}
	news := &inbox{}
	w.accounts = account.NewAccounts(table, account.NewNews(table, news))
	signers := account.NewSigners(w.accounts, vault, deployment)
	w.keys = account.NewKeys(w.accounts, signers)
	w.tokens = token.New(table, w.accounts, signers)
	w.policies = &policies{access.NewPolicies(table, w.accounts), func(tenants.TenantID) {}}
	gate, err := access.NewGate(w.policies)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	news.rights = Rights{Accounts: w.accounts, Keys: w.keys, Tokens: w.tokens, Gate: gate}
	ho := hub.Options{Log: w.events, Interest: node.NewInterest(table), Node: testNode, Logger: logger,
		Allowed: news.rights.Verdict, Hidden: news.rights.Hidden}
	h(&ho)
	w.hub = hub.New(ho)
	news.hub = w.hub
	if err := table.Write(t.Context(), tenants.Put(node.Key(testNode), nil, time.Time{},
		tenants.Anything())); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Hub: w.hub, Accounts: w.accounts, Keys: w.keys, Tokens: w.tokens, Gate: gate, Admission: quota.New(),
		Pages: http.HandlerFunc(testPages), OpenAPI: []byte("openapi: 3.1.0\n"), Logger: logger,
	}
	for _, c := range change {
		c(&o)
	}
	w.App = New(o)
	return w
}

func (w *world) serve(t testing.TB, ln net.Listener) {
	w.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- w.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		w.Drain(ctx, 0)
		w.hub.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
}

// testPages is a handler with the routes that the adaptor's tests need.
func testPages(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		b, err := io.ReadAll(r.Body)
		if err != nil {
			problem.Write(w, r, "req_echo", err)
			return
		}
		w.Write(b)
	case "/nobody":
		w.WriteHeader(http.StatusNoContent)
	case "/toomuch":
		w.WriteHeader(http.StatusTooManyRequests)
	case "/panic":
		panic("a secret")
	case "/dump/../x y":
		b, _ := io.ReadAll(r.Body)
		w.Header().Add("X-Multi", "1")
		w.Header().Add("X-Multi", "2")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, r.Method, " ", r.RequestURI, " ", r.Host, " ", len(b), " ", r.Header["X-Sig"],
			" ", r.Header["Cookie"], " ", r.Header["Content-Type"], " ",
			r.Header["User-Agent"], " ", r.Header["Content-Length"])
	default:
		http.NotFound(w, r)
	}
}

// tenant signs a tenant up and returns it with its owner's key.
func (w *world) tenant(t testing.TB) (tenants.TenantID, string) {
	t.Helper()
	tenant, _, secret, err := w.accounts.Signup(t.Context(), "Test", "ops@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return tenant.ID, secret
}

// token mints a token.
func (w *world) token(t testing.TB, tenant tenants.TenantID, spec token.Spec) string {
	t.Helper()
	made, err := w.tokens.Mint(t.Context(), tenant, spec)
	if err != nil {
		t.Fatal(err)
	}
	return made.Raw
}
