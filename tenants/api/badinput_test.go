package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

const mebibyte = 1 << 20

// The names of the cases give the input and the expected answer.
func TestBadInput(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	event := func(member string) string { return `{"data":1,` + member + `}` }
	padded := func(n int) string {
		const frame = `{"type":"x","data":""}`
		return strings.Replace(frame, `""`, `"`+strings.Repeat("a", n-len(frame))+`"`, 1)
	}
	deep := func(n int) string {
		return `{"type":"x","data":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"no body is 400 invalid_json":            {"", 400, "invalid_json"},
		"an array is 400 invalid_json":           {"[]", 400, "invalid_json"},
		"a truncated object is 400 invalid_json": {`{"type":"x","data":{"a"`, 400, "invalid_json"},
		"two objects are 400 invalid_json":       {`{"type":"x","data":1}{}`, 400, "invalid_json"},
		"invalid UTF-8 is 400 invalid_json": {"{\"type\":\"x\",\"data\":\"\xff\"}",
			400, "invalid_json"},
		"a member twice is 400 duplicate_key": {`{"type":"x","data":1,"type":"y"}`,
			400, "duplicate_key"},
		"10,000 levels are 400 json_too_deep":                {deep(10_000), 400, "json_too_deep"},
		"100 levels are 202":                                 {deep(100), 202, ""},
		"one byte over 1 MiB is 413 body_too_large":          {padded(mebibyte + 1), 413, "body_too_large"},
		"1 MiB of one event is 413 event_too_large":          {padded(mebibyte), 413, "event_too_large"},
		"an unknown member is 422 invalid_fields":            {event(`"type":"x","retry":5`), 422, "invalid_fields"},
		"a read-only member is 422 invalid_fields":           {event(`"type":"x","seq":5`), 422, "invalid_fields"},
		"a member in capitals is 422 invalid_fields":         {event(`"type":"x","END":true`), 422, "invalid_fields"},
		"no type is 422 invalid_fields":                      {`{"data":1}`, 422, "invalid_fields"},
		"no data is 422 invalid_fields":                      {`{"type":"x"}`, 422, "invalid_fields"},
		"a number as type is 422 invalid_fields":             {event(`"type":7`), 422, "invalid_fields"},
		"LF in the type is 422 invalid_fields":               {event(`"type":"a\nb"`), 422, "invalid_fields"},
		"CR in the type is 422 invalid_fields":               {event(`"type":"a\rb"`), 422, "invalid_fields"},
		"NUL in the type is 422 invalid_fields":              {event(`"type":"a\u0000b"`), 422, "invalid_fields"},
		"a lone surrogate in the type is 422 invalid_fields": {event(`"type":"a\ud800"`), 422, "invalid_fields"},
		"an empty type is 422 invalid_type":                  {event(`"type":""`), 422, "invalid_type"},
		"a space in the type is 422 invalid_type":            {event(`"type":"a b"`), 422, "invalid_type"},
		"a type of 129 bytes is 422 invalid_type": {event(`"type":"` + strings.Repeat("a", 129) + `"`),
			422, "invalid_type"},
		"the type error is 422 reserved_type":       {event(`"type":"error"`), 422, "reserved_type"},
		"the type open is 422 reserved_type":        {event(`"type":"open"`), 422, "reserved_type"},
		"the type message is 422 reserved_type":     {event(`"type":"message"`), 422, "reserved_type"},
		"a type of hookcast's is 422 reserved_type": {event(`"type":"hookcast.gap"`), 422, "reserved_type"},
		"LF in the id is 422 invalid_fields":        {event(`"type":"x","id":"a\nb"`), 422, "invalid_fields"},
		"NUL in the id is 422 invalid_fields":       {event(`"type":"x","id":"a\u0000b"`), 422, "invalid_fields"},
		"U+2028 in the id is 422 invalid_id":        {event(`"type":"x","id":"a\u2028b"`), 422, "invalid_id"},
		"an id of 129 bytes is 422 invalid_id": {event(`"type":"x","id":"` + strings.Repeat("a", 129) + `"`),
			422, "invalid_id"},
		"text as end is 422 invalid_fields": {event(`"type":"x","end":"yes"`), 422, "invalid_fields"},
		"null as end is 422 invalid_fields": {event(`"type":"x","end":null`), 422, "invalid_fields"},
		"null as data is 202":               {`{"type":"x","data":null}`, 202, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.do("POST", "/v1/channels/a/events", ten.key, c.body)
			if a.status != c.status || c.code != "" && a.code() != c.code {
				t.Errorf("got %d %.300s, want %d %s", a.status, a.body, c.status, c.code)
			}
		})
	}
}

func TestChannelsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for _, name := range []string{"A", "a%2fb", "a%20b", "a%00", "a..b", ".a", "a.", "%2a", "%C3%A9",
		strings.Repeat("a", 65), strings.Repeat("a.", 100) + "a"} {
		w.do("POST", "/v1/channels/"+name+"/events", ten.key, `{"type":"x","data":1}`).want(422, "invalid_channel")
		w.do("GET", "/v1/channels/"+name+"/events", ten.key, nil).want(404, "channel_not_found")
		w.do("GET", "/v1/channels/"+name, ten.key, nil).want(404, "channel_not_found")
		w.do("DELETE", "/v1/channels/"+name, ten.key, nil).want(404, "channel_not_found")
	}
}

func TestIDsThatCannotBeAre404WithoutARead(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("GET", "/v1/keys", ten.key, nil).want(200)
	w.do("GET", "/v1/tenants", w.operator, nil).want(200)
	before := w.table.Count("Get") + w.table.Count("Query")
	for _, id := range []string{"x", "evt_1", "evt_" + strings.Repeat("U", 26), "evt_01k9zq3v8d2m4n6p8r0t2v4x6zz",
		"%00", strings.Repeat("a", 4096)} {
		w.do("GET", "/v1/events/"+id, ten.key, nil).want(404, "event_not_found")
		w.do("GET", "/v1/tenants/"+id, w.operator, nil).want(404, "tenant_not_found")
	}
	if after := w.table.Count("Get") + w.table.Count("Query"); after != before {
		t.Errorf("%d reads, want 0", after-before)
	}
}

func TestBodiesThatAreNotPlainJSONAre415(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	const body = `{"name":"ci","role":"viewer"}`
	for _, c := range []struct {
		headers []string
		status  int
		code    string
	}{
		{[]string{"Content-Type", ""}, 415, "content_type"},
		{[]string{"Content-Type", "text/plain"}, 415, "content_type"},
		{[]string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "content_type"},
		{[]string{"Content-Type", "application/json; charset=latin1"}, 415, "content_type"},
		{[]string{"Content-Type", "application/json, text/plain"}, 415, "content_type"},
		{[]string{"Content-Encoding", "gzip"}, 415, "content_encoding"},
		{[]string{"Content-Encoding", "identity"}, 201, ""},
		{[]string{"Content-Type", "Application/JSON; charset=UTF-8"}, 201, ""},
	} {
		r := request("POST", "/v1/keys", body)
		r.Header.Set("Authorization", "Bearer "+ten.key)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(c.headers[0], c.headers[1])
		a := w.send(r, []byte(body))
		if a.status != c.status || c.code != "" && a.code() != c.code {
			t.Errorf("%v: got %d %s, want %d %s", c.headers, a.status, a.body, c.status, c.code)
		}
	}
}

// sent sends a request with the given body and announced length.
func (w *world) sent(key string, length int64, body io.Reader) answer {
	w.t.Helper()
	r := httptest.NewRequest("POST", publicURL+"/v1/keys", nil)
	r.Body, r.ContentLength = io.NopCloser(body), length
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	w.api.ServeHTTP(recorder, r)
	return answer{w.t, recorder.Code, recorder.Header(), recorder.Body.Bytes()}
}

// endless is a body without end that counts the bytes read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func TestAnEndlessBodyIs413AfterItsFirstByteTooMany(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	body := &endless{}
	a := w.sent(ten.key, -1, body).want(413, "body_too_large")
	if body.read > 2*mebibyte || a.header.Get("Connection") != "close" {
		t.Errorf("%d bytes were read, Connection %q; want at most 2 MiB and close", body.read,
			a.header.Get("Connection"))
	}
	announced := &endless{}
	w.sent(ten.key, mebibyte+1, announced).want(413, "body_too_large")
	if announced.read > 0 {
		t.Errorf("%d bytes were read of a body that announced its size, want 0", announced.read)
	}
}

func TestABodyThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{io.ErrUnexpectedEOF, 400, "body_incomplete"},
		{errors.New("connection reset by " + ten.key), 400, "body_incomplete"},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), 408, "body_timeout"},
		{tenants.Errorf(tenants.Timeout, "request_timeout", "too slow"), 408, "request_timeout"},
	} {
		a := w.sent(ten.key, 100, io.MultiReader(strings.NewReader(`{"name":`), failing{c.err})).want(c.status, c.code)
		if strings.Contains(string(a.body), ten.key) {
			t.Error("the answer shows the key")
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestABodyIsNotReadBeforeItsSenderIsKnown(t *testing.T) {
	w := newWorld(t)
	body := &endless{}
	w.sent("hk_live_nobody", -1, body).want(401, "api_key_malformed")
	if body.read > 0 {
		t.Errorf("%d bytes were read, want 0", body.read)
	}
}

func TestStorageThatFailsIs503WithRetryAfterAndSaysNothingOfItself(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.queue.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Send" })
	a := w.do("POST", "/v1/channels/a/events", ten.key, `{"type":"x","data":1}`).want(503)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.do("POST", "/v1/channels/a/events", ten.key, `{"type":"x","data":1}`).want(202)
}

func TestARequestIDIsOursAndNeverTheClients(t *testing.T) {
	w := newWorld(t)
	r := request("GET", "/v1/tenant", "")
	r.Header = http.Header{"Request-Id": {"req_mine"}, "X-Request-Id": {"req_mine"}}
	a := w.send(r, nil).want(401)
	if a.header.Get("Request-Id") != a.get("request_id") || bytes.Contains(a.body, []byte("req_mine")) {
		t.Errorf("got %v %s, want a Request-Id of ours in both", a.header, a.body)
	}
}
