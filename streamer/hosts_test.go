package streamer

import (
	"strings"
	"testing"
)

// A provider that uses the streaming host's address for webhooks is told the right host, if webhooks are not served
// here.
func TestWebhooksAreToldThatTheyAreAtTheWrongHost(t *testing.T) {
	w := newWorld(t)
	for _, raw := range []string{"POST /in/abc", "GET /in/abc?x=1", "PUT /in/a/b"} {
		a, _ := w.talk(t, raw+head+"Content-Length: 2\r\n\r\n{}")
		if a.StatusCode != 404 || a.Header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(a.body, `"code":"wrong_host"`) {
			t.Errorf("%s: %d %v %s", raw, a.StatusCode, a.Header, a.body)
		}
	}
}
