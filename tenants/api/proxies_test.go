package api_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
)

const proxyKey = "sk-live-0123456789abcdef"

// proxyBody is a proxy with some fields changed.
func proxyBody(change map[string]any) map[string]any {
	body := map[string]any{
		"name": "completions", "method": "POST", "url": "https://api.example.com/v1/{{model}}/chat?key=" + proxyKey +
			"&q={{q}}",
		"headers": map[string]string{"authorization": "Bearer " + proxyKey}, "body": `{"prompt":"{{q}}"}`,
		"parameters": map[string]any{"model": map[string]any{"type": "id"},
			"q": map[string]any{"type": "text", "default": "hello"}},
	}
	maps.Copy(body, change)
	return body
}

func TestAProxyIsShownWithoutItsKeys(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.keep(proxyKey)
	made := w.do("POST", "/v1/proxies", ten.key, proxyBody(nil)).want(201)
	id := made.get("id")
	shown := w.do("GET", "/v1/proxies/"+id, ten.key, nil).want(200)
	list := w.do("GET", "/v1/proxies", ten.key, nil).want(200)
	changed := w.do("PATCH", "/v1/proxies/"+id, ten.key, map[string]any{"name": "other", "share": true}).want(200)
	for _, a := range []answer{made, shown, list, changed} {
		if strings.Contains(string(a.body), "sk-live") || strings.Contains(string(a.body), "prompt") {
			t.Errorf("it shows a secret: %s, want the body without sk-live, the body without prompt", a.body)
		}
	}
	if url := shown.get("url"); url != "https://api.example.com/v1/{{model}}/chat?key=…&q={{q}}" ||
		shown.get("headers", 0) != "Authorization" || shown.get("body_media_type") != "application/json" {
		t.Errorf("shown %s, want url https://api.example.com/v1/{{model}}/chat?key=…&q={{q}}, headers.0 "+
			"Authorization, body_media_type application/json", shown.body)
	}
	var v struct {
		Share, Reconnect bool
		Name             string
		Limits           map[string]int
	}
	w.must(json.Unmarshal(changed.body, &v))
	if !v.Share || v.Name != "other" || v.Reconnect || v.Limits["idle_seconds"] != 120 {
		t.Errorf("changed to %s, want share, name other, idle_seconds 120 and no reconnect", changed.body)
	}
	row, err := w.table.Get(t.Context(), tenants.Key{Tenant: tenants.TenantID(ten.id), Kind: "list/proxies", Sort: id})
	if w.must(err); !strings.Contains(string(row.Body), "other") || strings.Contains(string(row.Body), "0123456789") {
		t.Errorf("the row is %s, want the name other and no secret", row.Body)
	}
	w.do("DELETE", "/v1/proxies/"+id, ten.key, nil).want(204)
	w.do("GET", "/v1/proxies/"+id, ten.key, nil).want(404, "proxy_not_found")
}

func TestAProxyThatCouldNotWorkIsRefusedWithItsPlaceAndNoKey(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.keep(proxyKey)
	one := func(kind string, more map[string]any) map[string]any {
		d := map[string]any{"type": kind}
		maps.Copy(d, more)
		return map[string]any{"model": map[string]any{"type": "id"}, "q": d}
	}
	for name, c := range map[string]struct {
		change map[string]any
		code   string
	}{
		"a hole in the host": {map[string]any{"url": "https://{{model}}.example.com/?q={{q}}"},
			"invalid_url"},
		"a hole in the port": {map[string]any{"url": "https://example.com:{{model}}/?q={{q}}"},
			"invalid_url"},
		"a hole before the host": {map[string]any{"url": "{{model}}://example.com/?q={{q}}"}, "invalid_url"},
		"a hole in a name of the query": {map[string]any{"url": "https://example.com/{{model}}?{{q}}=1"},
			"invalid_url"},
		"a hole that is not declared": {map[string]any{"url": "https://example.com/{{model}}/{{nobody}}?q={{q}}"},
			"invalid_url"},
		"a hole without an end":           {map[string]any{"url": "https://example.com/{{model"}, "invalid_url"},
		"a parameter that stands nowhere": {map[string]any{"url": "https://example.com/"}, "invalid_parameter"},
		"a private address":               {map[string]any{"url": "https://10.0.0.1/{{model}}?q={{q}}"}, "invalid_url"},
		"plain http": {map[string]any{"url": "http://example.com/{{model}}?q={{q}}"},
			"invalid_url"},
		"text outside of a string": {map[string]any{"body": `{"prompt":{{q}}}`}, "invalid_body"},
		"no JSON":                  {map[string]any{"body": `{"prompt":"{{q}}"`}, "invalid_body"},
		"a hole in plain text": {map[string]any{"body": "{{q}}", "body_media_type": "text/plain"},
			"invalid_body"},
		"a body that is too large": {map[string]any{"body": `"` + strings.Repeat("x", 64<<10) + `"`},
			"invalid_body"},
		"a GET with a body": {map[string]any{"method": "GET"}, "invalid_body"},
		"another method":    {map[string]any{"method": "DELETE"}, "invalid_method"},
		"a header that frames": {map[string]any{"headers": map[string]string{"Content-Length": "1"}},
			"invalid_header"},
		"a header of the stream's own": {map[string]any{"headers": map[string]string{"Last-Event-ID": "1"}},
			"invalid_header"},
		"no type of parameter": {map[string]any{"parameters": one("regex", nil)}, "invalid_parameter"},
		"an enum of nothing":   {map[string]any{"parameters": one("enum", nil)}, "invalid_parameter"},
		"a default that does not fit": {map[string]any{"parameters": one("integer",
			map[string]any{"min": 1, "max": 2, "default": 3})}, "invalid_parameter"},
		"a reserved channel": {map[string]any{"channel": "hookcast.notices"}, "reserved_channel"},
		"no channel":         {map[string]any{"channel": "Prices"}, "invalid_channel"},
		"a limit beyond its bound": {map[string]any{"limits": map[string]int{"total_seconds": 86401}},
			"invalid_limits"},
		"no limit":                {map[string]any{"limits": map[string]int{"x": 1}}, "invalid_fields"},
		"no name":                 {map[string]any{"name": ""}, "invalid_name"},
		"a field that is unknown": {map[string]any{"id": "prx_1"}, "invalid_fields"},
	} {
		a := w.do("POST", "/v1/proxies", ten.key, proxyBody(c.change))
		if a.status != 422 || a.code() != c.code {
			t.Errorf("%s: %d %s, want status 422, code %v", name, a.status, a.body, c.code)
		}
	}
	_, viewer := w.key(ten, "viewer")
	w.do("POST", "/v1/proxies", viewer, proxyBody(nil)).want(403)
}
