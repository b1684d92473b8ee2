package streamer

import (
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/account"
)

func TestProfilesAreTheOperatorsAndDoNotExistForOthers(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Pages = nil })
	_, key := w.tenant(t)
	operator := account.NewOperatorKey()
	if err := w.keys.EnsureOperator(t.Context(), operator); err != nil {
		t.Fatal(err)
	}
	get := func(path string, lines ...string) answer {
		a, _ := w.talk(t, "GET "+path+head+strings.Join(append(lines, "\r\n"), "\r\n"))
		return a
	}
	nowhere := get("/debug/nowhere")
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=2",
		"/debug/pprof/profile?seconds=1"} {
		for name, line := range map[string]string{"nobody": "X: y", "a tenant": auth(key), "junk": auth("junk"),
			"half a key": auth(operator[:len(operator)-1])} {
			a := get(path, line)
			if a.StatusCode != 404 || strings.ReplaceAll(a.body, a.Header.Get("Request-Id"),
				"") != strings.ReplaceAll(nowhere.body, nowhere.Header.Get("Request-Id"), "") {
				t.Errorf("%s to %s: %d %s", path, name, a.StatusCode, a.body)
			}
		}
	}
	for path, want := range map[string]string{
		"/debug/pprof/":                    "goroutine",
		"/debug/pprof/heap":                "\x1f\x8b", // a profile is gzipped
		"/debug/pprof/goroutine?debug=1":   "goroutine profile",
		"/debug/pprof/profile?seconds=1":   "\x1f\x8b",
		"/debug/pprof/allocs?debug=0&gc=1": "\x1f\x8b",
	} {
		if a := get(path, auth(operator)); a.StatusCode != 200 || !strings.Contains(a.body, want) ||
			a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %.60q", path, a.StatusCode, a.Header, a.body)
		}
	}
	for _, path := range []string{"/debug/pprof/cmdline", "/debug/pprof/none"} {
		if a := get(path, auth(operator)); a.StatusCode != 404 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
}
