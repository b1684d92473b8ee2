package api_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// answer is the API's answer to a request.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// want ends the test unless the answer has the status and, if given, the problem's code.
func (a answer) want(status int, code ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %.500s", a.status, status, a.body)
	}
	if len(code) > 0 && a.code() != code[0] {
		a.t.Fatalf("code %q, want %q: %s", a.code(), code[0], a.body)
	}
	return a
}

func (a answer) code() string { return a.get("code") }

// get returns the value at the path of member names and indexes: the text of a string, or the JSON of another value.
func (a answer) get(path ...any) string {
	a.t.Helper()
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%d %.500s: %v", a.status, a.body, err)
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return ""
			}
			v = l[p]
		}
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(b)
}

// length returns the number of elements of the list in a member.
func (a answer) length(name string) int {
	a.t.Helper()
	var m map[string]json.RawMessage
	var l []json.RawMessage
	if err := json.Unmarshal(a.body, &m); err != nil {
		a.t.Fatal(err)
	}
	if err := json.Unmarshal(m[name], &l); err != nil {
		a.t.Fatal(err)
	}
	return len(l)
}

// has reports whether the answer has the member.
func (a answer) has(name string) bool {
	a.t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &m); err != nil {
		a.t.Fatal(err)
	}
	_, ok := m[name]
	return ok
}
