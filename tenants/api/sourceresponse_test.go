package api_test

import (
	"bytes"
	"compress/gzip"
	"testing"
)

func TestASourceAnswersAsItsTenantWants(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	made := w.do("POST", "/v1/sources", ten.key,
		`{"name":"x","provider":"none","channel":"a","response":{"status":201,"body":"<ok>\n</ok>",`+
			`"content_type":"xml"}}`).want(201)
	path := made.get("url")[len(publicURL):]
	if got := made.get("response", "body"); got != "<ok>\n</ok>" {
		t.Errorf("shown as %q, want <ok>\n</ok>", got)
	}
	a := w.do("POST", path, "", "{}").want(201)
	if string(a.body) != "<ok>\n</ok>" || a.header.Get("Content-Type") != "application/xml" {
		t.Errorf("%v %s, want the body <ok>\n</ok>, Content-Type application/xml", a.header, a.body)
	}
	id := made.get("id")
	w.do("PATCH", "/v1/sources/"+id, ten.key, `{"response":{"status":204}}`).want(200)
	w.do("POST", path, "", "{}").want(204)
	w.do("PATCH", "/v1/sources/"+id, ten.key, `{"name":"another"}`).want(200)
	w.do("POST", path, "", "{}").want(204)
	if v := w.do("PATCH", "/v1/sources/"+id, ten.key, `{"response":null}`).want(200).get("response"); v != "null" {
		t.Errorf("shown as %s, want v null", v)
	}
	w.do("POST", path, "", "{}").want(202)
	for _, bad := range []string{
		`{"status":302}`, `{"status":200,"body":"x"}`, `{"status":204,"body":"x","content_type":"text"}`,
		`{"status":200,"body":"{","content_type":"json"}`, `{}`, `[]`, `"ok"`,
		`{"status":200,"body":"\u0000","content_type":"text"}`, `{"status":200,"header":"X"}`, `{"status":"200"}`,
	} {
		w.do("PATCH", "/v1/sources/"+id, ten.key, `{"response":`+bad+`}`).want(422)
	}
}

func TestACompressedWebhookIsKeptAsItWasMeant(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	path := w.sourceOf(ten, "none", "")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(`{"n":1}`))
	z.Close()
	id := w.do("POST", path, "", b.String(), "Content-Encoding", "gzip").want(202).get("id")
	w.pump()
	if got := w.do("GET", "/v1/events/"+id, ten.key, nil).want(200).get("data", "n"); got != "1" {
		t.Errorf("kept as %s, want 1", got)
	}
	for _, encoding := range []string{"gzip, gzip", "br", "zstd"} {
		w.do("POST", path, "", b.String(), "Content-Encoding", encoding).want(415, "content_encoding")
	}
}
