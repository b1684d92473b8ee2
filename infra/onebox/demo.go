package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/hookcast/hookcast/infra/privatefile"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/problem"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/token"
)

//go:embed demo/index.html
var demoPage string

const (
	demoWebhooks = "demo.github"
	demoProgress = "demo.progress"
)

// demo is a tenant of its own, and the page that shows its events. The page contains credentials of the demo tenant
// alone, and is served to browsers on this machine alone.
type demo struct {
	c        config
	log      *slog.Logger
	page     *template.Template
	tokens   *token.Tokens
	channels *eventlog.Log
	demoTenant
}

// demoTenant is stored in the file demo.json, so that the lines printed at each start stay the same.
type demoTenant struct {
	Tenant tenants.TenantID `json:"tenant"`
	Source string           `json:"source"` // path of the source's URL
	Secret string           `json:"secret"`
}

func openDemo(ctx context.Context, b *box) (*demo, error) {
	page, err := template.New("demo").Parse(demoPage)
	if err != nil {
		return nil, err
	}
	d := &demo{c: b.c, log: b.log, page: page, tokens: b.Tokens, channels: b.Log}
	path := filepath.Join(b.c.data, "demo.json")
	kept, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(kept, &d.demoTenant); err != nil {
			return nil, fmt.Errorf("%s: %w; delete the file to get a new demo", path, err)
		}
		if _, err = b.Accounts.Get(ctx, d.Tenant); err == nil || tenants.KindOf(err) != tenants.NotFound {
			return d, err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	t, _, _, err := b.Accounts.Signup(ctx, "Demo", "demo@example.com")
	if err != nil {
		return nil, err
	}
	d.Tenant, d.Secret = t.ID, rand.Text()
	_, shown, err := b.Sources.Create(ctx, t.ID,
		source.Spec{Name: "GitHub", Provider: "github", Secret: d.Secret, Channel: demoWebhooks})
	if err != nil {
		return nil, err
	}
	d.Source = "/in/" + shown.Token
	if kept, err = json.MarshalIndent(d.demoTenant, "", "  "); err != nil {
		return nil, err
	}
	return d, privatefile.ReplaceDurably(path, append(kept, '\n'))
}

// postLines returns shell lines that post a webhook as GitHub would: openssl signs the exact body.
func (d *demo) postLines() string {
	return fmt.Sprintf(
		`body='{"action":"opened","issue":{"number":%d,"title":"It works from a shell"},"repository":{"name":"shop"}}'
sig=$(printf %%s "$body" | openssl dgst -sha256 -hmac '%s' | sed 's/^.* //')
curl -sS '%s%s' -H 'Content-Type: application/json' -H 'X-GitHub-Event: issues' `+
			`-H "X-GitHub-Delivery: $(date +%%s)-$RANDOM" -H "X-Hub-Signature-256: sha256=$sig" `+
			`--data-binary "$body"; echo`,
		7, d.Secret, d.c.publicURL, d.Source)
}

func (d *demo) streamLine(ctx context.Context) (string, error) {
	t, err := d.token(ctx, "shell", tenants.RoleViewer, demoWebhooks, demoProgress)
	return fmt.Sprintf("curl -N '%s/v1/stream?channel=%s&token=%s'", d.c.publicURL, demoWebhooks, t), err
}

func (d *demo) token(ctx context.Context, subject, role string, channels ...string) (string, error) {
	t, err := d.tokens.Mint(ctx, d.Tenant, token.Spec{Subject: subject, Roles: []string{role}, Channels: channels,
		TTL: 12 * time.Hour})
	return t.Raw, err
}

// ServeHTTP serves the page at /.
func (d *demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := tenants.NewID(tenants.PrefixRequest)
	w.Header().Set("Request-Id", id)
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.EscapedPath() != "/" || !d.isLocal(r) {
		problem.Write(w, r, id, &tenants.Error{Kind: tenants.NotFound})
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		problem.Write(w, r, id, &tenants.Error{Kind: tenants.MethodNotAllowed})
		return
	}
	page, nonce, err := d.render(r.Context())
	if err != nil {
		problem.Log(d.log, id, err)
		problem.Write(w, r, id, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; "+
		"form-action 'none'; frame-ancestors 'none'; "+
		"script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+"' 'unsafe-hashes'")
	if r.Method == http.MethodGet {
		io.Copy(w, page)
	}
}

func (d *demo) render(ctx context.Context) (page *bytes.Buffer, nonce string, err error) {
	watch, err := d.token(ctx, "demo page", tenants.RoleViewer, demoWebhooks, demoProgress)
	if err != nil {
		return nil, "", err
	}
	publish, err := d.token(ctx, "demo page", tenants.RolePublisher, demoProgress)
	if err != nil {
		return nil, "", err
	}
	line, err := d.streamLine(ctx)
	if err != nil {
		return nil, "", err
	}
	after, err := d.recent(ctx)
	if err != nil {
		return nil, "", err
	}
	nonce = rand.Text()
	page = new(bytes.Buffer)
	return page, nonce, d.page.Execute(page, map[string]any{
		"Nonce": nonce, "Base": d.c.publicURL, "PostLines": d.postLines(), "StreamLine": line,
		"Config": map[string]string{"token": watch, "publish": publish, "ingest": d.Source, "secret": d.Secret,
			"after": after},
	})
}

// recent returns the cursor from which a new page reads: the last ten webhooks, and the latest progress of the job.
func (d *demo) recent(ctx context.Context) (string, error) {
	shown := []string{demoWebhooks, demoProgress}
	back := []int64{10, 1}
	for i, c := range shown {
		tail, err := d.channels.Tail(ctx, d.Tenant, c)
		if err != nil {
			return "", err
		}
		back[i] = max(0, tail-back[i])
	}
	return string(tenants.AppendCursor(nil, tenants.CursorSeed(shown), back)), nil
}

// isLocal reports whether the request comes from a browser on this machine. Behind a proxy every request seems to, so
// forwarded requests are not local. Nor are requests for another host name, which a foreign page can send by
// rebinding its own name.
func (d *demo) isLocal(r *http.Request) bool {
	if d.c.trustedHops > 0 || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		return false
	}
	name := r.Host
	if h, _, err := net.SplitHostPort(r.Host); err == nil {
		name = h
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// greet prints the address of the page, and lines to paste into a shell.
func (b *box) greet(w io.Writer) {
	fmt.Fprintf(w, "Hookcast serves on %s\nThe operator's key is in %s\n", b.c.publicURL, b.operator)
	if b.demo == nil {
		return
	}
	line, err := b.demo.streamLine(context.Background())
	if err != nil {
		b.log.Error("the lines of the demo could not be printed", "error", err)
		return
	}
	fmt.Fprintf(w, "\nOpen the demo page: %s/\n\nWatch its stream:\n\n    %s\n\nSend it a signed webhook:\n\n%s\n\n",
		b.c.publicURL, line, indent(b.demo.postLines()))
}

func indent(lines string) string {
	var out bytes.Buffer
	for _, l := range bytes.Split([]byte(lines), []byte("\n")) {
		fmt.Fprintf(&out, "    %s\n", l)
	}
	return string(bytes.TrimRight(out.Bytes(), "\n"))
}
