package envelope_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/envelope"
)

var when = time.Date(2026, 8, 1, 12, 0, 0, 250e6, time.FixedZone("", 3600))

func TestAppend(t *testing.T) {
	for _, c := range []struct {
		name string
		e    tenants.Event
		want string
	}{
		{"JSON is itself", tenants.Event{ID: "evt_1", Seq: 7, Channel: "a.b", Type: "push",
			Data: []byte("{ \"n\": 1.50,\r\n \"s\": \"<\\u00e9>\" }"), Source: "src_1", Time: when},
			`{"id":"evt_1","seq":7,"channel":"a.b","type":"push","data":{"n":1.50,"s":"<\u00e9>"},"source":"src_1",` +
				`"time":"2026-08-01T11:00:00.25Z"}`},
		{"text is a string", tenants.Event{ID: "evt_1", Seq: 1, Channel: "a", Data: []byte("a\r\nb\x00\u2028\"\\é"),
			Time: when, DuplicateOf: "evt_0"},
			`{"id":"evt_1","seq":1,"channel":"a","type":"","data":"a\r\nb\u0000\u2028\"\\é",` +
				`"time":"2026-08-01T11:00:00.25Z","duplicate_of":"evt_0"}`},
		{"bytes are base64", tenants.Event{ID: "evt_1", Seq: 1, Channel: "a", Type: "x", Data: []byte{0xff, 0x00},
			Time: when},
			`{"id":"evt_1","seq":1,"channel":"a","type":"x","data":"/wA=","encoding":"base64",` +
				`"time":"2026-08-01T11:00:00.25Z"}`},
		{"JSON with bytes that are not UTF-8 is base64",
			tenants.Event{ID: "evt_1", Seq: 1, Channel: "a", Type: "x", Data: []byte("\"\xff\""), Time: when},
			`{"id":"evt_1","seq":1,"channel":"a","type":"x","data":"Iv8i","encoding":"base64",` +
				`"time":"2026-08-01T11:00:00.25Z"}`},
		{"an unverified event says so", tenants.Event{ID: "evt_1", Seq: 1, Channel: "a", Type: "x", Data: []byte("1"),
			Source: "src_1", Time: when, Provenance: &tenants.Provenance{Scheme: "none"}},
			`{"id":"evt_1","seq":1,"channel":"a","type":"x","data":1,"source":"src_1","verified":false,` +
				`"time":"2026-08-01T11:00:00.25Z"}`},
		{"nothing is an empty string", tenants.Event{ID: "evt_1", Seq: 1, Channel: "a", Type: "x", Time: when},
			`{"id":"evt_1","seq":1,"channel":"a","type":"x","data":"","time":"2026-08-01T11:00:00.25Z"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(envelope.Append([]byte("x"), c.e)); got != "x"+c.want {
				t.Errorf("got  %s\nwant x%s", got, c.want)
			}
		})
	}
}

// A page of events is one document: a payload near a decoder's own depth limit (encoding/json: 10,000) must not make
// it undecodable.
func TestJSONTooDeepIsAString(t *testing.T) {
	for levels, embedded := range map[int]bool{512: true, 513: false, 9_999: false, 10_001: false} {
		deep := strings.Repeat(`{"]\"[":[`, levels/2) + strings.Repeat("[", levels%2) + strings.Repeat("]", levels%2) +
			strings.Repeat("]}", levels/2)
		page := append(append([]byte(`{"data":[`), envelope.Append(nil, tenants.Event{Data: []byte(deep)})...), `]}`...)
		var got struct{ Data []struct{ Data any } }
		if err := json.Unmarshal(page, &got); err != nil {
			t.Fatalf("%d levels: %v", levels, err)
		}
		if text, isText := got.Data[0].Data.(string); isText == embedded || isText && text != deep {
			t.Errorf("%d levels: encoded as a string: %v, want %v", levels, isText, !embedded)
		}
	}
}

func TestAppendCloudEvent(t *testing.T) {
	verified := &tenants.Provenance{Scheme: "github", Verified: true, SecretID: "sec_1", Signed: when,
		DeliveryID: "d-1", Attempt: 2}
	for _, c := range []struct {
		name string
		e    tenants.Event
		want string
	}{
		{"a verified delivery", tenants.Event{ID: "evt_1", Seq: 7, Channel: "a", Type: "push", Data: []byte(`{"n": 1}`),
			ContentType: "application/json; charset=utf-8", Source: "src_1", Time: when, Provenance: verified},
			`{"specversion":"1.0","id":"evt_1","source":"/sources/src_1","type":"push","subject":"a",` +
				`"time":"2026-08-01T11:00:00.25Z","sequence":"0000000000000000007",` +
				`"received":"2026-08-01T11:00:00.25Z","scheme":"github","verified":true,` +
				`"signed":"2026-08-01T11:00:00.25Z","deliveryid":"d-1","attempt":2,` +
				`"datacontenttype":"application/json; charset=utf-8","data":{"n":1}}`},
		{"a publish without a type", tenants.Event{ID: "evt_1", Seq: 1, Channel: "a", Data: []byte(`1`), Time: when,
			DuplicateOf: "evt_0"},
			`{"specversion":"1.0","id":"evt_1","source":"/channels/a","type":"message","subject":"a",` +
				`"time":"2026-08-01T11:00:00.25Z","sequence":"0000000000000000001","duplicateof":"evt_0",` +
				`"datacontenttype":"application/json","data":1}`},
		{"a form is a string", tenants.Event{ID: "evt_1", Seq: 1, Channel: "a", Type: "x", Data: []byte(`12`),
			ContentType: "application/x-www-form-urlencoded", Time: when},
			`{"specversion":"1.0","id":"evt_1","source":"/channels/a","type":"x","subject":"a",` +
				`"time":"2026-08-01T11:00:00.25Z","sequence":"0000000000000000001",` +
				`"datacontenttype":"application/x-www-form-urlencoded","data":"12"}`},
		{"invalid JSON declared as JSON", tenants.Event{ID: "evt_1", Seq: 1, Channel: "a", Type: "x", Data: []byte(`{`),
			ContentType: "application/vnd.x+json", Time: when},
			`{"specversion":"1.0","id":"evt_1","source":"/channels/a","type":"x","subject":"a",` +
				`"time":"2026-08-01T11:00:00.25Z","sequence":"0000000000000000001",` +
				`"datacontenttype":"application/vnd.x+json","data_base64":"ew=="}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(envelope.AppendCloudEvent(nil, c.e)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// FuzzAppend checks that any payload can be decoded to the same bytes or the same JSON value.
func FuzzAppend(f *testing.F) {
	for _, s := range []string{"", "{}", " [1 , 2]\n", "a\rb", "\xff", "\"\u2028\"", "\"\\ud800\"", "nul", "\x7f\x00"} {
		f.Add([]byte(s), s)
	}
	f.Fuzz(func(t *testing.T, data []byte, typ string) {
		e := tenants.Event{ID: "evt_1", Channel: "a", Type: typ, Data: data, Time: when}
		b := envelope.Append(nil, e)
		if bytes.ContainsAny(b, "\r\n") || !utf8.Valid(b) {
			t.Fatalf("got %q, want one line of UTF-8", b)
		}
		var got struct {
			Type, Encoding string
			Data           json.RawMessage
		}
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v: %q", err, b)
		}
		if want := strings.ToValidUTF8(typ, "\ufffd"); utf8.ValidString(typ) && got.Type != want {
			t.Fatalf("type %q, want %q", got.Type, want)
		}
		if utf8.Valid(data) && json.Valid(data) {
			var want bytes.Buffer
			if err := json.Compact(&want, data); err != nil || !bytes.Equal(want.Bytes(), got.Data) ||
				got.Encoding != "" {
				t.Fatalf("JSON %q became %q with encoding %q, want it compacted without an encoding", data, got.Data,
					got.Encoding)
			}
			return
		}
		var s string
		if err := json.Unmarshal(got.Data, &s); err != nil {
			t.Fatal(err)
		}
		back := []byte(s)
		if got.Encoding == "base64" {
			var err error
			if back, err = base64.StdEncoding.DecodeString(s); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(back, data) {
			t.Fatalf("%q became %q", data, back)
		}
		if c := envelope.AppendCloudEvent(nil, e); !json.Valid(c) || bytes.ContainsAny(c, "\r\n") {
			t.Fatalf("got %q, want one line of JSON", c)
		}
	})
}
