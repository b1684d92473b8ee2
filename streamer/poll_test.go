package streamer

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
)

// page is the response to a poll.
type page struct {
	Data []struct {
		Type, Channel string
		Seq, From, To int64
		Reset         bool
		Data          json.RawMessage
	}
	Next string `json:"next_cursor"`
}

func readPage(t *testing.T, s *stream) (p page, texts []string) {
	t.Helper()
	b, err := io.ReadAll(s.head.Body)
	if err != nil || s.head.StatusCode != 200 || s.head.Header.Get("Content-Type") != "application/json" ||
		s.head.ContentLength != int64(len(b)) ||
		s.head.Header.Get("Request-Id") == "" || s.head.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%v %s, %v", s.head, b, err)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	for _, e := range p.Data {
		texts = append(texts, fmt.Sprint(e.Channel, " ", e.Seq, " ", e.Type, " ", string(e.Data)))
	}
	return p, texts
}

func TestAPollAnswersWithWhatIsThereAndWaitsForWhatIsNot(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		w.publish(t, tenant, "a", `1`, `"two"`, `3`)
		for _, wait := range []string{"0", "20"} {
			p, got := readPage(t, w.open(t, "/v1/poll?channel=a&after=1&wait="+wait, auth(key)))
			if want := []string{`a 2 note "two"`, "a 3 note 3"}; !slices.Equal(got, want) || p.Next != "3" {
				t.Fatalf("wait %s: %q, next %s", wait, got, p.Next)
			}
			p, got = readPage(t, w.open(t, "/v1/poll?channel=a&after=0&limit=2&wait="+wait, auth(key)))
			if len(got) != 2 || p.Next != "2" {
				t.Fatalf("wait %s, limit 2: %q, next %s", wait, got, p.Next)
			}
		}
		if p, got := readPage(t, w.open(t, "/v1/poll?channel=a&after=3&wait=0", auth(key))); got != nil ||
			p.Next != "3" || p.Data == nil {
			t.Errorf("nothing there: %+v", p)
		}
		if p, got := readPage(t, w.open(t, "/v1/poll?channel=a&wait=0", auth(key))); got != nil || p.Next != "3" {
			t.Errorf("from now on: %+v", p)
		}
		at := string(tenants.AppendCursor(nil, tenants.CursorSeed([]string{"b", "a"}), []int64{0, 3}))
		waiting := w.ask(t, "/v1/poll?channel=b&channel=a&after="+at, auth(key))
		eventually(t, "the poll waits", func() bool { return w.hub.Stats().Connections == 1 })
		w.publish(t, tenant, "a", `4`)
		p, got := readPage(t, readStream(t, waiting))
		if !slices.Equal(got, []string{"a 4 note 4"}) {
			t.Fatalf("%q", got)
		}
		// The cursor also works for a stream.
		s := w.open(t, "/v1/stream?channel=b&channel=a", auth(key), "Last-Event-ID: "+p.Next)
		s.next(t)
		w.publish(t, tenant, "b", `5`)
		if e := s.next(t); string(e.Data) != "5" {
			t.Error(e)
		}
	})
}

func TestAPollTellsOfGapsAndOfTheEnd(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	w.publish(t, tenant, "a", `1`)
	p, _ := readPage(t, w.open(t, "/v1/poll?channel=a&after=9&wait=1", auth(key)))
	if len(p.Data) == 0 || p.Data[0].Type != "hookcast.gap" || !p.Data[0].Reset || p.Data[0].Channel != "a" {
		t.Errorf("beyond the tail: %+v", p)
	}
	w.append(t, tenant, "a", func(e *tenants.Event) { e.End = true }, `2`)
	p, got := readPage(t, w.open(t, "/v1/poll?channel=a&after=1&wait=1", auth(key)))
	if len(got) != 1 || p.Next != hub.Stop {
		t.Errorf("at the end: %+v", p)
	}
	if s := w.open(t, "/v1/poll?channel=a&after=!stop", auth(key)); s.head.StatusCode != 204 {
		t.Errorf("after the end: %d", s.head.StatusCode)
	}
}

func TestAPollWhoseClientLeftFreesItsPlace(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		c := w.dial(t)
		io.WriteString(c, "GET /v1/poll?channel=a&wait=60"+head+auth(key)+"\r\n\r\n")
		eventually(t, "the poll waits", func() bool { return w.hub.Stats().Connections == 1 })
		if u := w.o.Admission.Usage(tenant); u.Connections != 1 {
			t.Errorf("usage: %+v", u)
		}
		c.Close()
		eventually(t, "its place is free", func() bool {
			return w.o.Admission.Usage(tenant).Connections == 0 && w.App.listener.Load().count() == 0
		})
	})
}

func TestRefusalsOfAPoll(t *testing.T) {
	w := newWorld(t)
	_, key := w.tenant(t)
	for query, code := range map[string]string{
		"channel=a&wait=61": "invalid_wait", "channel=a&wait=-1": "invalid_wait", "channel=a&wait=1.5": "invalid_wait",
		"channel=a&wait=NaN": "invalid_wait",
		"channel=a&wait=":    "invalid_wait", "channel=a&wait=+5": "invalid_wait",
		"channel=a&wait=1&wait=2": "duplicate_parameter",
		"channel=a&limit=0":       "invalid_limit", "channel=a&limit=1001": "invalid_limit",
		"channel=a&limit=1e3": "invalid_limit", "channel=": "invalid_channel",
		"wait=0": "channel_missing",
	} {
		a, _ := w.talk(t, "GET /v1/poll?"+query+head+auth(key)+"\r\nAccept: text/event-stream\r\n\r\n")
		if a.StatusCode != 400 || !strings.Contains(a.body, `"code":"`+code+`"`) {
			t.Errorf("%s: %d %s", query, a.StatusCode, a.body)
		}
	}
}
