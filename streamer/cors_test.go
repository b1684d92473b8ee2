package streamer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/valyala/fasthttp"
)

func TestPreflightsEchoAnyOriginWithoutCredentials(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v1/stream", "/v1/poll?channel=a", "/v1/sources/src_1"} {
		a, _ := w.talk(t, "OPTIONS "+path+head+
			"Origin: https://app.example.com\r\nAccess-Control-Request-Method: "+
			"GET\r\nAccess-Control-Request-Headers: authorization\r\n\r\n")
		h := a.Header
		if a.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
			h.Get("Access-Control-Allow-Credentials") != "" ||
			!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") ||
			!strings.Contains(h.Get("Access-Control-Allow-Methods"), "DELETE") ||
			!strings.Contains(h.Get("Vary"), "Origin") || a.body != "" {
			t.Errorf("%s: %d %v", path, a.StatusCode, h)
		}
	}
	if a, _ := w.talk(t, "OPTIONS /v1/stream"+head+"\r\n"); a.StatusCode != 405 {
		t.Errorf("OPTIONS of no browser: %d", a.StatusCode)
	}
}

func TestATenantsOriginsAreHeldAgainstTheRequestItself(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	listed := []string{"https://app.example.com", "https://example.com:8443"}
	if _, err := w.accounts.Update(t.Context(), tenant, account.TenantPatch{Origins: &listed}); err != nil {
		t.Fatal(err)
	}
	for origin, admitted := range map[string]bool{
		"":                              true,
		"https://app.example.com":       true,
		"https://example.com:8443":      true,
		"null":                          false,
		"https://example.com":           false,
		"http://app.example.com":        false,
		"https://app.example.com.evil":  false,
		"https://evil-app.example.com":  false,
		"https://app.example.com:444":   false,
		"https://app.example.com, null": false,
	} {
		for _, accept := range []string{"Accept: */*", eventSource} {
			lines := []string{auth(key), accept}
			if origin != "" {
				lines = append(lines, "Origin: "+origin)
			}
			s := w.open(t, "/v1/stream?channel=a", lines...)
			allowed := s.head.Header.Get("Access-Control-Allow-Origin")
			if s.head.Header.Get("Vary") != "Origin" {
				t.Errorf("%s %s: Vary %q", origin, accept, s.head.Header.Get("Vary"))
			}
			if admitted && (s.head.StatusCode != 200 || allowed != origin || s.next(t).Name != sse.Open) {
				t.Errorf("%s %s: %v", origin, accept, s.head)
			}
			if !admitted && (s.head.StatusCode != 403 || allowed != "") {
				t.Errorf("%s %s: %v", origin, accept, s.head)
			}
		}
	}
}

func TestRefusalsOfEveryKindMayBeReadByThePageThatAsked(t *testing.T) {
	w := newWorld(t)
	for _, accept := range []string{"Accept: */*", eventSource} {
		s := w.open(t, "/v1/stream?channel=a", accept, "Origin: https://app.example.com")
		if s.head.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
			s.head.Header.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", accept, s.head)
		}
	}
}

func TestTheAddressThatCountsIsTheHopthFromTheRight(t *testing.T) {
	for _, c := range []struct {
		hops  int
		lines []string
		want  string
	}{
		{0, nil, "0.0.0.0"},
		{0, []string{"6.6.6.6"}, "0.0.0.0"},
		{1, []string{"1.1.1.1"}, "1.1.1.1"},
		{1, []string{"6.6.6.6, 1.1.1.1"}, "1.1.1.1"},
		{1, []string{"6.6.6.6", "1.1.1.1"}, "1.1.1.1"},
		{2, []string{"6.6.6.6, 1.1.1.1, 10.0.0.1"}, "1.1.1.1"},
		{2, []string{"10.0.0.1"}, "0.0.0.0"},
		{1, nil, "0.0.0.0"},
	} {
		var ctx fasthttp.RequestCtx
		for _, line := range c.lines {
			ctx.Request.Header.Add("X-Forwarded-For", line)
		}
		if got := clientIP(&ctx, c.hops); got != c.want {
			t.Errorf("%s: %s, want %s", fmt.Sprint(c.hops, c.lines), got, c.want)
		}
	}
}
