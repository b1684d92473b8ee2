package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

type row map[string]any

func right(subject, object, action, effect string) row {
	return row{"subject": subject, "object": object, "action": action, "effect": effect}
}

func grant(subject, role string) row { return row{"subject": subject, "role": role} }

func hidden(subject, path string) row { return right(subject, "field:"+path, "read", "deny") }

func rowsOf(rows ...row) map[string]any {
	if rows == nil {
		rows = []row{}
	}
	return map[string]any{"rows": rows}
}

// setPolicy replaces all of the tenant's rows.
func (w *world) setPolicy(of tenant, rows ...row) answer {
	w.t.Helper()
	return w.do("PUT", "/v1/policies", of.key, rowsOf(rows...), "If-Match", "*").want(200)
}

func TestAPolicyIsReplacedByWhoeverNamesItsVersion(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	a := w.do("GET", "/v1/policies", ten.key, nil).want(200)
	if a.header.Get("ETag") != `"0"` || a.length("rows") != 0 || a.length("builtin") == 0 {
		t.Errorf(`at first: %s %s, want ETag "0", 0 elements in rows, built-in rows`, a.header.Get("ETag"), a.body)
	}
	first := rowsOf(right("role:editor", "channel:drafts.*", "publish", "allow"), grant("user:alice", "role:editor"),
		hidden("role:viewer", "customer.email"))
	a = w.do("PUT", "/v1/policies", ten.key, first, "If-Match", `"0"`).want(200)
	tag := a.header.Get("ETag")
	b := w.do("GET", "/v1/policies", ten.key, nil).want(200)
	if tag == `"0"` || string(a.body) != string(b.body) || b.header.Get("ETag") != tag ||
		b.get("rows", 2, "object") != "field:customer.email" {
		t.Errorf("set %s %s, then read %s %s, want the same", tag, a.body, b.header.Get("ETag"), b.body)
	}
	w.do("PUT", "/v1/policies", ten.key, rowsOf(), "If-Match", `"0"`).want(412, "policy_changed")
	// weak tags do not match
	w.do("PUT", "/v1/policies", ten.key, rowsOf(), "If-Match", "W/"+tag).want(412, "policy_changed")
	w.do("PUT", "/v1/policies", ten.key, rowsOf()).want(428, "precondition_required")
	for _, bad := range []string{"", "3", `"`, `"1" "2"`, `*, "1"`, `"1",`, `W/*`} {
		w.do("PUT", "/v1/policies", ten.key, rowsOf(), "If-Match", bad).want(400, "invalid_if_match")
	}
	if c := w.do("GET", "/v1/policies", ten.key, nil).want(200); string(c.body) != string(b.body) {
		t.Errorf("refused changes made %s of %s", c.body, b.body)
	}
	w.do("PUT", "/v1/policies", ten.key, rowsOf(), "If-Match", `"0", `+tag).want(200)
	w.do("PUT", "/v1/policies", ten.key, first, "If-Match", "*").want(200)
	if w.do("HEAD", "/v1/policies", ten.key, nil).header.Get("ETag") == "" {
		t.Error("HEAD has no ETag")
	}
}

func TestAPolicyIsTheOwnersAndAdmins(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	_, admin := w.key(ten, "admin")
	w.do("PUT", "/v1/policies", admin, rowsOf(), "If-Match", "*").want(200)
	for _, role := range []string{"viewer", "publisher"} {
		_, key := w.key(ten, role)
		w.do("GET", "/v1/policies", key, nil).want(403, "forbidden")
		w.do("PUT", "/v1/policies", key, rowsOf(), "If-Match", "*").want(403, "forbidden")
		w.do("POST", "/v1/policies/check", key,
			`{"subject":"role:viewer","object":"channels","action":"read"}`).want(403, "forbidden")
	}
	token := w.token(ten, `{"subject":"alice","channels":["*"],"ttl_seconds":60}`).get("token")
	w.do("GET", "/v1/policies", token, nil).want(403, "api_key_required")
	w.do("GET", "/v1/policies", w.operator, nil).want(403, "operator_has_no_tenant")
}

func TestRowsCountForTheNextRequestAndForNoOtherTenant(t *testing.T) {
	w := newWorld(t)
	ten, other := w.tenant("Acme"), w.tenant("Other")
	_, key := w.key(ten, "viewer")
	_, theirs := w.key(other, "viewer")
	w.do("GET", "/v1/channels/secret/events", key, nil).want(200)
	w.setPolicy(ten, right("role:viewer", "channel:secret", "read", "deny"),
		right("role:viewer", "channel:drafts", "publish", "allow"))
	w.do("GET", "/v1/channels/secret/events", key, nil).want(403, "forbidden")
	w.do("POST", "/v1/channels/drafts/events", key, `{"type":"x","data":1}`).want(202)
	w.do("POST", "/v1/channels/other/events", key, `{"type":"x","data":1}`).want(403, "forbidden")
	w.do("GET", "/v1/channels/secret/events", theirs, nil).want(200)
	w.do("POST", "/v1/channels/drafts/events", theirs, `{"type":"x","data":1}`).want(403, "forbidden")
	if n := w.do("GET", "/v1/policies", other.key, nil).want(200).length("rows"); n != 0 {
		t.Errorf("the other tenant has %d rows, want 0", n)
	}
	w.setPolicy(ten)
	w.do("GET", "/v1/channels/secret/events", key, nil).want(200)
}

func TestBadPolicies(t *testing.T) {
	w := newWorld(t)
	ten, other := w.tenant("Acme"), w.tenant("Other")
	good := right("role:editor", "channel:drafts", "publish", "allow")
	with := func(member string, value any) row {
		r := row{member: value}
		for k, v := range good {
			if _, own := r[k]; !own {
				r[k] = v
			}
		}
		return r
	}
	many := func(n int, one func(int) row) (rows []row) {
		for i := range n {
			rows = append(rows, one(i))
		}
		return rows
	}
	numbered := func(i int) row { return right("role:r", fmt.Sprint("channel:c", i), "read", "allow") }
	body := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	for name, c := range map[string]struct {
		body    any
		status  int
		code    string
		pointer string
	}{
		"a comma in the subject": {rowsOf(good, with("subject", "user:a, p, role:owner")),
			422, "invalid_policy", "/rows/1/subject"},
		"a newline in the subject": {rowsOf(with("subject", "user:a\np")), 422, "invalid_fields",
			"/rows/0/subject"},
		"a comma in the object": {rowsOf(with("object", "channel:a,b")), 422, "invalid_policy",
			"/rows/0/object"},
		"a newline in the object": {rowsOf(good, with("object", "channel:a\n")), 422, "invalid_fields",
			"/rows/1/object"},
		"a quote in the effect": {rowsOf(with("effect", `allow"`)), 422, "invalid_policy", "/rows/0/effect"},
		"every action":          {rowsOf(with("action", "*")), 422, "invalid_policy", "/rows/0/action"},
		"every object":          {rowsOf(with("object", "*")), 422, "invalid_policy", "/rows/0/object"},
		"every subject":         {rowsOf(with("subject", "*")), 422, "invalid_policy", "/rows/0/subject"},
		"the owner denied its policy": {rowsOf(right("role:owner", "policy", "write", "deny")),
			422, "invalid_policy", "/rows/0/subject"},
		"the admin denied its policy": {rowsOf(right("role:admin", "policy", "write", "deny")),
			422, "invalid_policy", "/rows/0/subject"},
		"everybody denied the policy": {rowsOf(right("role:viewer", "policy", "write", "deny")),
			422, "invalid_policy", "/rows/0/object"},
		"the owner's role for a role": {rowsOf(grant("role:x", "role:owner")), 422, "invalid_policy",
			"/rows/0/role"},
		"a role for the owner": {rowsOf(grant("role:owner", "role:banned")), 422, "invalid_policy",
			"/rows/0/subject"},
		"keys for a token": {rowsOf(right("user:a", "key:owner", "write", "allow")),
			422, "invalid_policy", "/rows/0/object"},
		"eval": {rowsOf(with("object", "eval(true)")), 422, "invalid_policy",
			"/rows/0/object"},
		"another tenant's domain":          {rowsOf(with("domain", other.id)), 422, "invalid_fields", "/rows/0/domain"},
		"every domain":                     {rowsOf(with("domain", "*")), 422, "invalid_fields", "/rows/0/domain"},
		"the own domain, which goes alone": {rowsOf(with("domain", ten.id)), 422, "invalid_fields", "/rows/0/domain"},
		"an unknown member of a row":       {rowsOf(with("ptype", "p")), 422, "invalid_fields", "/rows/0/ptype"},
		"an unknown member":                {`{"rows":[],"model":"m = true"}`, 422, "invalid_fields", "/model"},
		"the version":                      {`{"rows":[],"version":3}`, 422, "invalid_fields", "/version"},
		"built-in rows":                    {`{"rows":[],"builtin":[]}`, 422, "invalid_fields", "/builtin"},
		"no rows":                          {`{}`, 422, "invalid_fields", "/rows"},
		"rows that are null":               {`{"rows":null}`, 422, "invalid_fields", "/rows"},
		"rows that are text":               {`{"rows":"p, a, b, c"}`, 422, "invalid_fields", "/rows"},
		"a row that is an array": {`{"rows":[["role:x","channel:a","read","allow"]]}`, 422, "invalid_fields",
			"/rows/0"},
		"a row that is null":  {`{"rows":[null]}`, 422, "invalid_fields", "/rows/0"},
		"a row of nothing":    {`{"rows":[{}]}`, 422, "invalid_fields", "/rows/0/subject"},
		"a number as subject": {rowsOf(with("subject", 7)), 422, "invalid_fields", "/rows/0/subject"},
		"a member twice": {`{"rows":[{"subject":"role:x","subject":"role:y"}]}`, 400, "duplicate_key",
			"/rows/0/subject"},
		"a role and a right":     {rowsOf(with("role", "role:x")), 422, "invalid_policy", "/rows/0"},
		"a channel with a right": {rowsOf(with("channel", "a")), 422, "invalid_policy", "/rows/0/channel"},
		"a row twice":            {rowsOf(good, numbered(1), good), 422, "invalid_policy", "/rows/2"},
		"a circle of roles": {rowsOf(grant("role:a", "role:b"), grant("role:b", "role:a")), 422, "invalid_policy",
			"/rows"},
		"1,001 rows": {rowsOf(many(1001, numbered)...), 422, "invalid_fields", "/rows"},
		"more than 64 KiB": {rowsOf(many(900, func(i int) row {
			return right("user:"+strings.Repeat("a", 60), fmt.Sprint("channel:c", i), "read", "allow")
		})...), 422, "invalid_policy", "/rows"},
		"a megabyte of rows":        {body(rowsOf(many(20_000, numbered)...)), 413, "body_too_large", ""},
		"nearly a megabyte of rows": {body(rowsOf(many(12_000, numbered)...)), 422, "invalid_fields", "/rows"},
		"a field allowed": {rowsOf(right("role:x", "field:a", "read", "allow")), 422, "invalid_policy",
			"/rows/0/effect"},
		"a field hidden from a stream": {rowsOf(right("role:x", "field:a", "subscribe", "deny")),
			422, "invalid_policy", "/rows/0/action"},
		"a field hidden from a user": {rowsOf(hidden("user:x", "a")), 422, "invalid_policy", "/rows/0/subject"},
		"a field hidden from the owner": {rowsOf(hidden("role:owner", "a")), 422, "invalid_policy",
			"/rows/0/subject"},
		"a field with a star":  {rowsOf(hidden("role:x", "a.*")), 422, "invalid_policy", "/rows/0/object"},
		"a field with a comma": {rowsOf(hidden("role:x", "a,b")), 422, "invalid_policy", "/rows/0/object"},
		"a field of an impossible channel": {rowsOf(row{"subject": "role:x", "object": "field:a", "action": "read",
			"effect": "deny", "channel": "A*"}), 422, "invalid_policy", "/rows/0/channel"},
		"101 fields": {rowsOf(many(101, func(i int) row {
			return hidden("role:x", fmt.Sprint("f", i))
		})...), 422, "invalid_policy", "/rows"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.do("PUT", "/v1/policies", ten.key, c.body, "If-Match", "*").want(c.status, c.code)
			if c.pointer != "" && a.get("errors", 0, "pointer") != c.pointer {
				t.Errorf("got %s, want errors.0.pointer %s", a.body, c.pointer)
			}
		})
	}
	if a := w.do("GET", "/v1/policies", ten.key, nil).want(200); a.length("rows") != 0 ||
		a.header.Get("ETag") != `"0"` {
		t.Errorf(`something of it was taken: %s, want 0 elements in rows, ETag "0"`, a.body)
	}
}

func TestEveryWrongRowIsNamedUpToTwenty(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	var rows []row
	for i := range 30 {
		rows = append(rows, right("role:x", fmt.Sprint("channel:c", i), []string{"read", "eat"}[i%2], "allow"))
	}
	a := w.do("PUT", "/v1/policies", ten.key, rowsOf(rows...), "If-Match", "*").want(422, "invalid_policy")
	if a.length("errors") != 15 || a.get("errors", 14, "pointer") != "/rows/29/action" {
		t.Errorf("got %s, want 15 elements in errors, errors.14.pointer /rows/29/action", a.body)
	}
}

func TestALargePolicyIsTaken(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	var rows []row
	for i := range 1000 {
		rows = append(rows, right("role:r", fmt.Sprint("channel:c", i), "read", "allow"))
	}
	if n := w.setPolicy(ten, rows...).length("rows"); n != 1000 {
		t.Errorf("%d rows, want 1000", n)
	}
}

func TestPolicyCheckNamesTheRowThatDecided(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	version := w.setPolicy(ten,
		// 0
		right("role:editor", "channel:drafts.*", "publish", "allow"),
		// 1
		grant("role:chief", "role:editor"),
		// 2
		grant("user:alice", "role:chief"),
		// 3
		right("role:banned", "channel:*", "publish", "deny"),
		// 4
		right("user:mallory", "channel:drafts.1", "subscribe", "deny"),
		// 5
		hidden("role:viewer", "customer.email"),
		// 6
		row{"subject": "role:chief", "object": "field:price", "action": "read", "effect": "deny",
			"channel": "drafts.*"},
	).get("version")
	for _, c := range []struct {
		question string
		want     string // allowed, reason, index, the row's subject, grants, hidden
	}{
		{`{"subject":"role:owner","object":"policy","action":"write"}`, "true builtin 0 role:owner [] []"},
		{`{"subject":"role:admin","object":"tenant","action":"manage"}`, "false no_row  [] []"},
		{`{"subject":"role:admin","object":"key:owner","action":"write"}`, "false builtin 9 role:admin [] []"},
		{`{"subject":"role:viewer","object":"channel:drafts.1","action":"subscribe"}`,
			"true builtin 1 role:viewer [] [customer.email]"},
		{`{"subject":"role:viewer","object":"channel:drafts.1","action":"publish"}`, "false no_row  [] []"},
		{`{"subject":"role:editor","object":"channel:drafts.1","action":"publish"}`, "true row 0 role:editor [] []"},
		{`{"subject":"role:chief","object":"channel:drafts.1","action":"publish"}`, "true row 0 role:editor [1] []"},
		{`{"subject":"user:alice","object":"channel:drafts.1","action":"publish"}`, "true row 0 role:editor [2 1] []"},
		{`{"subject":"alice","object":"channel:drafts.1","action":"read"}`,
			"true builtin 2 role:viewer [] [customer.email price]"},
		{`{"subject":"user:alice","roles":["viewer"],"object":"channel:news","action":"read"}`,
			"true builtin 2 role:viewer [] [customer.email]"},
		{`{"subject":"user:alice","roles":["banned"],"object":"channel:drafts.1","action":"publish"}`,
			"false row 3 role:banned [] []"},
		{`{"subject":"user:mallory","object":"channel:drafts.1","action":"subscribe"}`,
			"false row 4 user:mallory [] []"},
		{`{"subject":"user:mallory","object":"channel:drafts.2","action":"subscribe"}`,
			"true builtin 1 role:viewer [] [customer.email]"},
		{`{"subject":"user:bob","channels":["news.*"],"object":"channel:drafts.2","action":"subscribe"}`,
			"false channels  [] []"},
		{`{"subject":"user:bob","roles":[],"object":"channel:drafts.2","action":"subscribe"}`, "false no_row  [] []"},
		{`{"subject":"role:nobody","object":"channels","action":"read"}`, "false no_row  [] []"},
		{`{"subject":"role:admin","object":"source:*","action":"write"}`, "true builtin 12 role:admin [] []"},
	} {
		a := w.do("POST", "/v1/policies/check", ten.key, c.question).want(200)
		var got struct {
			Allowed bool
			Reason  string
			Row     *struct {
				Index   int
				Subject string
			}
			Grants       []int
			HiddenFields []string `json:"hidden_fields"`
			Detail       string
		}
		w.must(json.Unmarshal(a.body, &got))
		row := ""
		if got.Row != nil {
			row = fmt.Sprint(got.Row.Index, " ", got.Row.Subject)
		}
		said := fmt.Sprint(got.Allowed, " ", got.Reason, " ", row, " ", got.Grants, " ", got.HiddenFields)
		if said != c.want || a.get("version") != version || got.Detail == "" {
			t.Errorf("%s: %s, want %s with a detail, version %s\n%s", c.question, said, c.want, version, a.body)
		}
	}
}

func TestBadQuestionsToThePolicy(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for body, pointer := range map[string]string{
		`{"object":"channels","action":"read"}`:                                                    "/subject",
		`{"subject":"role:x","action":"read"}`:                                                     "/object",
		`{"subject":"role:x","object":"channels"}`:                                                 "/action",
		`{"subject":"","object":"channels","action":"read"}`:                                       "/subject",
		`{"subject":"user:","object":"channels","action":"read"}`:                                  "/subject",
		`{"subject":"role:*","object":"channels","action":"read"}`:                                 "/subject",
		`{"subject":"role:operator","object":"channels","action":"read"}`:                          "/subject",
		`{"subject":"user:a","roles":["owner"],"object":"channels","action":"read"}`:               "/roles",
		`{"subject":"user:a","roles":["role:x"],"object":"channels","action":"read"}`:              "/roles",
		`{"subject":"user:a","roles":"viewer","object":"channels","action":"read"}`:                "/roles",
		`{"subject":"user:a","channels":["A"],"object":"channels","action":"read"}`:                "/channels",
		`{"subject":"user:a","object":"channel:a.*","action":"read"}`:                              "/object",
		`{"subject":"user:a","object":"operator:tenants","action":"read"}`:                         "/object",
		`{"subject":"user:a","object":"field:email","action":"read"}`:                              "/object",
		`{"subject":"user:a","object":"*","action":"read"}`:                                        "/object",
		`{"subject":"user:a","object":"channels","action":"*"}`:                                    "/action",
		`{"subject":"user:a","object":"channels","action":"read","domain":"*"}`:                    "/domain",
		`{"subject":"user:a","object":"channel:` + strings.Repeat("a", 300) + `","action":"read"}`: "/object",
	} {
		a := w.do("POST", "/v1/policies/check", ten.key, body).want(422, "invalid_fields")
		if a.get("errors", 0, "pointer") != pointer {
			t.Errorf("%s: got %s, want errors.0.pointer %v", body, a.body, pointer)
		}
	}
}
