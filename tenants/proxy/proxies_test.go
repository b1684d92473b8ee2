package proxy_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// everywhere is a Destinations that allows every URL.
type everywhere struct{}

func (everywhere) CheckURL(_ context.Context, raw string) (string, error) { return raw, nil }

func newProxies(t *testing.T) (*proxy.Proxies, tenants.TenantID) {
	t.Helper()
	table := rig.NewTable()
	accounts := account.NewAccounts(table, account.NewNews(table, tenantstest.NewInboxes(tenantstest.Faults{})))
	made, _, _, err := accounts.Signup(t.Context(), "Acme", "ops@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return proxy.NewProxies(table, accounts, tenantstest.NewVault(), everywhere{}), made.ID
}

var anyText = map[string]proxy.Parameter{"a": {Kind: proxy.ParameterText}}

func TestWhatFillsAHoleStaysWhereItStands(t *testing.T) {
	s, tenant := newProxies(t)
	body := `{"a":"{{a}}"}`
	spec := proxy.Spec{Name: "p", URL: "https://example.com/x/{{a}}/y?z={{a}}", Body: &body, Parameters: anyText}
	p, err := s.Create(t.Context(), tenant, spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{
		"a/b", "a?b#c", "a&b=c", "%2e%2e", "é ☃", `"},{"b":"`, `\`, "..a", "{{a}}", "a+b", "'; drop", "a\u00a0b",
	} {
		c, err := s.Call(t.Context(), tenant, p.ID, map[string]string{"a": v})
		if err != nil {
			t.Errorf("Call with %q: %v", v, err)
			continue
		}
		u, err := url.Parse(c.Request.URL)
		if err != nil || u.Host != "example.com" || u.Path != "/x/"+v+"/y" ||
			strings.Count(u.EscapedPath(), "/") != 3 ||
			u.Query().Get("z") != v || len(u.Query()) != 1 {
			t.Errorf("Call with %q has the URL %s, want the value in one segment and in z only", v, c.Request.URL)
		}
		var sent map[string]string
		if err := json.Unmarshal(c.Request.Body, &sent); err != nil || len(sent) != 1 || sent["a"] != v {
			t.Errorf("Call with %q has the body %s, want the value in a only", v, c.Request.Body)
		}
	}
	for _, v := range []string{
		"", ".", "..", "a\r\nb", "a\nb", "a\x00b", "a\u2028b", "\xff", "\ufffd", strings.Repeat("a", 501),
	} {
		_, err := s.Call(t.Context(), tenant, p.ID, map[string]string{"a": v})
		if tenants.CodeOf(err) != "invalid_parameter" || len(v) > 2 && strings.Contains(err.Error(), v) {
			t.Errorf("Call with %q returned %v, want invalid_parameter without the value", v, err)
		}
	}
}

func TestWhatFillsAHeaderIsPrintable(t *testing.T) {
	s, tenant := newProxies(t)
	headers := map[string]string{"X-A": "v {{a}}"}
	spec := proxy.Spec{Name: "p", URL: "https://example.com/", Headers: headers, Parameters: anyText}
	p, err := s.Create(t.Context(), tenant, spec)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Call(t.Context(), tenant, p.ID, map[string]string{"a": "b; c=\"d\""})
	if err != nil || c.Request.Header["X-A"][0] != `v b; c="d"` {
		t.Errorf("Call returned the headers %v, %v, want X-A: v b; c=\"d\"", c.Request.Header, err)
	}
	for _, v := range []string{"é", "a\tb", " a", "a "} {
		_, err := s.Call(t.Context(), tenant, p.ID, map[string]string{"a": v})
		if tenants.CodeOf(err) != "invalid_parameter" {
			t.Errorf("Call with %q returned %v, want invalid_parameter", v, err)
		}
	}
}

func TestCallersShareAnUpstreamWhereTheyAskForTheSame(t *testing.T) {
	s, tenant := newProxies(t)
	spec := proxy.Spec{Name: "p", URL: "https://example.com/{{a}}", Share: true, Parameters: anyText}
	p, err := s.Create(t.Context(), tenant, spec)
	if err != nil {
		t.Fatal(err)
	}
	call := func(a string) proxy.Call {
		t.Helper()
		c, err := s.Call(t.Context(), tenant, p.ID, map[string]string{"a": a})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	x, again, y := call("x"), call("x"), call("y")
	if x.Run != again.Run || x.Channel != again.Channel || x.Run == y.Run || x.Channel == y.Channel {
		t.Errorf("x has run %s in %s, again %s in %s, y %s in %s; want the same for x, and others for y", x.Run,
			x.Channel,
			again.Run, again.Channel, y.Run, y.Channel)
	}
	if id, ok := tenants.ProxyOf(x.Channel); !ok || id != p.ID || !tenants.ValidChannel(x.Channel) {
		t.Errorf("the channel %s belongs to the proxy %q, want %s", x.Channel, id, p.ID)
	}
	if _, err := s.Patch(t.Context(), tenant, p.ID, proxy.Patch{Name: new("q")}); err != nil {
		t.Fatal(err)
	}
	if changed := call("x"); changed.Run == x.Run || changed.Channel != x.Channel {
		t.Errorf("after a change the run is %s in %s, want another run than %s in %s", changed.Run, changed.Channel,
			x.Run,
			x.Channel)
	}
}

func TestAProxysKeysAreCutOutInEveryForm(t *testing.T) {
	const key, password = "sk-0123456789/abc+def", "hunter2hunter2"
	s, tenant := newProxies(t)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+password))
	c, err := s.Once(t.Context(), tenant, proxy.Spec{
		URL: "https://example.com/?api_key=" + url.QueryEscape("query-key-0123456789") + "&q=weather",
		Headers: map[string]string{
			"Authorization": basic, "X-Api-Key": key, "X-Mode": "on", "X-Version": "2023-06-01",
			"Accept-Language": "de-CH,de;q=0.9",
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{
		key, url.QueryEscape(key), url.PathEscape(key), base64.StdEncoding.EncodeToString([]byte(key)), basic,
		basic[6:],
		password, "user:" + password, "query-key-0123456789",
	} {
		for name, redact := range map[string]func(string) string{"Text": c.Redact.Text, "Event": c.Redact.Event} {
			got := redact("a " + form + " b")
			if strings.Contains(got, form) || !strings.Contains(got, "[redacted]") || !strings.HasSuffix(got, " b") {
				t.Errorf("%s returned %q, want [redacted] in place of %q", name, got, form)
			}
		}
	}
	const text = `{"on":true,"at":"2023-06-01","q":"weather","lang":"de-CH,de;q=0.9"}`
	if got := c.Redact.Event(text); got != text {
		t.Errorf("Event returned %q, want it unchanged", got)
	}
}

func TestASealedProxyOpensNowhereElse(t *testing.T) {
	table := rig.NewTable()
	accounts := account.NewAccounts(table, account.NewNews(table, tenantstest.NewInboxes(tenantstest.Faults{})))
	s := proxy.NewProxies(table, accounts, tenantstest.NewVault(), everywhere{})
	one, _, _, err := accounts.Signup(t.Context(), "One", "a@example.com")
	if err != nil {
		t.Fatal(err)
	}
	secret := proxy.Spec{Name: "p", URL: "https://example.com/", Headers: map[string]string{"X-Key": "secret"}}
	p, err := s.Create(t.Context(), one.ID, secret)
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.Create(t.Context(), one.ID, proxy.Spec{Name: "q", URL: "https://evil.example/"})
	if err != nil {
		t.Fatal(err)
	}
	key := func(id string) tenants.Key { return tenants.Key{Tenant: one.ID, Kind: "list/proxies", Sort: id} }
	row, err := table.Get(t.Context(), key(p.ID))
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.ReplaceAll(string(row.Body), p.ID, q.ID)
	put := tenants.Put(key(q.ID), []byte(moved), row.Expires, tenants.Anything())
	if err := table.Write(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Call(t.Context(), one.ID, q.ID, nil); err == nil {
		t.Error("Call succeeded with the sealed request of another proxy, want an error")
	}
	if c, err := s.Call(t.Context(), one.ID, p.ID, nil); err != nil || c.Request.Header["X-Key"][0] != "secret" {
		t.Errorf("Call returned %v, %v, want X-Key: secret", c.Request.Header, err)
	}
}

// A request with two bad headers names the same one each time.
func TestRefusalOfHeadersNamesTheFirst(t *testing.T) {
	s, tenant := newProxies(t)
	for what, value := range map[string]string{"an unknown parameter": "{{b}}", "a header of the stream": ""} {
		for range 50 {
			headers := map[string]string{"Accept": value, "Cache-Control": value, "Last-Event-Id": value}
			if value != "" {
				headers = map[string]string{"X-A": value, "X-B": value, "X-C": value}
			}
			spec := proxy.Spec{Name: "p", URL: "https://example.com/{{a}}", Headers: headers, Parameters: anyText}
			want := "/headers/" + slices.Sorted(maps.Keys(headers))[0]
			_, err := s.Create(t.Context(), tenant, spec)
			if e, ok := errors.AsType[*tenants.Error](err); !ok || len(e.Fields) != 1 || e.Fields[0].Pointer != want {
				t.Fatalf("%s: Create returned %v, want an error at %s", what, err, want)
			}
		}
	}
}
