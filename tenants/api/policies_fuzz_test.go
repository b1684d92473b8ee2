package api_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// A policy is accepted completely or refused with a reason. An accepted policy is shown unchanged, obeys the grammar
// and leaves all rights to the owner.
func FuzzPolicy(f *testing.F) {
	for _, body := range []string{
		`{"rows":[]}`, `{"rows":[{"subject":"role:editor","object":"channel:a.*","action":"read","effect":"deny"}]}`,
		`{"rows":[{"subject":"user:alice","role":"role:editor"},{"subject":"role:x","object":"field:a.b",` +
			`"action":"read","effect":"deny","channel":"*"}]}`,
		`{"rows":[{"subject":"role:owner","object":"policy","action":"write","effect":"deny"}]}`,
		`{"rows":[{"subject":"user:a,b\n","domain":"*"}]}`,
		`{"rows":[{"subject":"\u0072ole:x","object":"channels","action":"read","effect":"allow"}]}`,
		`{"rows":[null,[],7]}`, `{"rows":{}}`, `[`,
	} {
		f.Add(body)
	}
	w := newWorld(f)
	ten := w.tenant("Acme")
	f.Fuzz(func(t *testing.T, body string) {
		w.t = t
		defer func() { w.t = f }()
		before := w.do("GET", "/v1/policies", ten.key, nil).want(200)
		a := w.do("PUT", "/v1/policies", ten.key, body, "If-Match", before.header.Get("ETag"))
		after := w.do("GET", "/v1/policies", ten.key, nil).want(200)
		switch a.status {
		case 200:
			if string(a.body) != string(after.body) {
				t.Fatalf("%s was set, and is shown as %s", a.body, after.body)
			}
		case 400, 413, 422:
			if string(before.body) != string(after.body) {
				t.Fatalf("%s was refused, and made %s of %s", body, after.body, before.body)
			}
			return
		default:
			t.Fatalf("%q: %d %s", body, a.status, a.body)
		}
		var got struct{ Rows []map[string]string }
		if err := json.Unmarshal(after.body, &got); err != nil {
			t.Fatal(err)
		}
		for _, row := range got.Rows {
			for member, value := range row {
				stars := strings.Count(value, "*")
				if strings.ContainsAny(value, ", \t\r\n\"'`()\\") || stars > 0 &&
					(member != "object" && member != "channel" || stars > 1 || !strings.HasSuffix(value, "*")) {
					t.Fatalf("%s %q was accepted, want it refused", member, value)
				}
			}
		}
		for _, question := range []string{`"policy","action":"write"`, `"key:owner","action":"write"`,
			`"channel:a.b","action":"read"`, `"tenant","action":"manage"`} {
			x := w.do("POST", "/v1/policies/check", ten.key, `{"subject":"role:owner","object":`+question+`}`).want(200)
			if x.get("allowed") != "true" {
				t.Fatalf("the owner has lost %s: %s, want allowed true", question, x.body)
			}
		}
	})
}
