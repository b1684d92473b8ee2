package streamer

import (
	"strings"
	"testing"
)

// A provider that was given the streaming host's address for its webhooks is told so, where nobody takes them in here.
func TestWebhooksAreToldThatTheyAreAtTheWrongHost(t *testing.T) {
	w := newWorld(t)
	for _, raw := range []string{"POST /in/abc", "GET /in/abc?x=1", "PUT /in/a/b"} {
		a, _ := w.talk(t, raw+head+"Content-Length: 2\r\n\r\n{}")
		if a.StatusCode != 404 || a.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(a.body, `"code":"wrong_host"`) {
			t.Errorf("%s: %d %v %s", raw, a.StatusCode, a.Header, a.body)
		}
	}
}
