package upstream_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/upstream"
)

// lastEventID answers three times like web-platform-tests' eventsource/resources/last-event-id.py: with the id of the
// request, or with hello and the given id.
func lastEventID(id string) []script {
	echo := events(func(_ context.Context, w io.Writer, r tenants.Outgoing) error {
		if last := strings.Join(r.Header["Last-Event-Id"], ","); last != "" {
			io.WriteString(w, "data: "+last+"\n\n")
		} else {
			io.WriteString(w, "id: "+id+"\nretry: 200\ndata: hello\n\n")
		}
		return nil
	})
	return []script{echo, echo, echo, noContent}
}

// The reconnection cases of web-platform-tests' eventsource/format-*: with which id, and when.
func TestComingBackAsWebPlatformTestsHaveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want(t, nil, "hello … …", "|…|…|…", upstream.Ended, lastEventID("…")...) // format-field-id, format-field-id-2
		for _, id := range []string{"\x00\x00", "x\x00", "\x00x", "x\x00x", " \x00"} {
			want(t, nil, "hello GAP hello GAP hello", "|||", upstream.Ended, lastEventID(id)...) // format-field-id-null
		}
		once := "retry:1000\ndata:test1\n\nid:test\ndata:test2\n"
		// format-data-before-final-empty-line
		want(t, nil, "test1 GAP test1", "||", upstream.Ended, text(once, nil), text(once, nil), noContent)
		for stream, pause := range map[string]time.Duration{
			"retry:03000\ndata:x\n\n\n":             3 * time.Second, // format-field-retry
			"retry:3000\nretry:1000x\ndata:x\n\n\n": 3 * time.Second, // format-field-retry-bogus
			"retry:1000\nretry:5000x\ndata:x\n\n\n": time.Second,     // format-field-retry-bogus-2
		} {
			s := want(t, nil, "x", "|", upstream.Ended, text(stream, nil), noContent)
			if took := s.at[1].Sub(s.at[0]); took < pause || took > pause+pause/4 { // the tests allow a quarter more
				t.Errorf("%q: reconnected after %v, want %v", stream, took, pause)
			}
		}
	})
}
