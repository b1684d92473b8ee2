package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
)

func TestABodyThatIsNotOnePlainObjectIsRefused(t *testing.T) {
	deep := func(n int) string {
		return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for name, c := range map[string]struct{ body, code string }{
		"nothing":                     {``, "invalid_json"},
		"white space":                 {" \n", "invalid_json"},
		"array":                       {`[]`, "invalid_json"},
		"string":                      {`"a"`, "invalid_json"},
		"null":                        {`null`, "invalid_json"},
		"truncated":                   {`{"a":1`, "invalid_json"},
		"truncated in a string":       {`{"a":"`, "invalid_json"},
		"truncated in an escape":      {`{"a":"\`, "invalid_json"},
		"trailing object":             {`{}{}`, "invalid_json"},
		"trailing text":               {`{} x`, "invalid_json"},
		"trailing comma":              {`{"a":1,}`, "invalid_json"},
		"comment":                     {`{/**/}`, "invalid_json"},
		"number as key":               {`{1:2}`, "invalid_json"},
		"NaN":                         {`{"a":NaN}`, "invalid_json"},
		"invalid UTF-8":               {"{\"a\":\"\xff\"}", "invalid_json"},
		"byte order mark":             {"\ufeff{}", "invalid_json"},
		"duplicate":                   {`{"a":1,"a":2}`, "duplicate_key"},
		"duplicate by escape":         {`{"a":1,"\u0061":2}`, "duplicate_key"},
		"10,000 deep":                 {deep(10_000), "json_too_deep"},
		"10,000 deep, never closed":   {`{"a":` + strings.Repeat("[", 10_000), "json_too_deep"},
		"one level more than allowed": {deep(maxDepth), "json_too_deep"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseFields([]byte(c.body))
			if tenants.KindOf(err) != tenants.Invalid || tenants.CodeOf(err) != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
	if _, err := parseFields([]byte(deep(maxDepth - 1))); err != nil {
		t.Errorf("the deepest allowed: %v", err)
	}
	if _, err := parseFields([]byte(`{"a":"` + strings.Repeat(`[{\"`, 500) + `"}`)); err != nil {
		t.Errorf("brackets inside a string: %v", err)
	}
}

func TestEveryRefusedMemberIsNamedByItsPointer(t *testing.T) {
	f,
		err := parseFields(
		[]byte(
			`{"id":"x","name":7,"tags":["a",1,"b\u0000"],"many":["a","b","c"],"n":1.5,"big":11,"end":"yes",
		"in":{"x":1,"y":"z"},
		"o":[],"a/b~c":1,"lone":"\ud800","NAME":"case counts","nul":null}`))
	if err != nil {
		t.Fatal(err)
	}
	f.require("name", "missing")
	f.readOnly("id", "url")
	f.text("name")
	f.text("lone")
	f.text("nul")
	f.texts("tags", 3)
	f.texts("many", 2)
	f.integer("n", 0, 10)
	f.integer("big", 0, 10)
	f.flag("end")
	f.object("o")
	in, err := f.object("in")
	if err != nil || in == nil {
		t.Fatalf("object returns %v, %v, want an object", in, err)
	}
	in.text("y")
	in.refuseUnknown()
	e, ok := errors.AsType[*tenants.Error](f.err())
	if !ok || e.Kind != tenants.Unprocessable || e.Code != "invalid_fields" {
		t.Fatalf("got %v, want Unprocessable invalid_fields", e)
	}
	var got []string
	for _, r := range e.Fields {
		got = append(got, r.Pointer+" "+r.Detail)
	}
	want := []string{
		"/missing is required", "/id is read-only", "/name must be a string",
		"/lone must not contain control characters", "/nul must be a string",
		"/tags/1 must be a string", "/tags/2 must not contain control characters", "/many must have at most 2 elements",
		"/n must be a whole number from 0 to 10", "/big must be a whole number from 0 to 10",
		"/end must be true or false", "/o must be an object",
		"/in/x is unknown", "/a~1b~0c is unknown", "/NAME is unknown",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMembersKeepTheirBytes(t *testing.T) {
	const data = `{ "b":1e400, "a" : "\u00e9\ud800" ,"a":[ ] }`
	f, err := parseFields([]byte(`{"data": ` + data + ` ,"s":"é","n":-3,"l":["x"],"t":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(f.raw("data")); got != data {
		t.Errorf("data %s, want %s", got, data)
	}
	if f.text("s") != "é" || f.integer("n", -5, 5) != -3 || f.texts("l", 1)[0] != "x" || !f.flag("t") ||
		f.text("none") != "" {
		t.Error("a member was read wrongly")
	}
	if err := f.err(); err != nil {
		t.Error(err)
	}
}

func TestAThousandUnknownMembersMakeAShortAnswer(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"` + strings.Repeat("k", 10_000) + `":0`)
	for i := range 1000 {
		fmt.Fprintf(&b, `,"k%d":0`, i)
	}
	f, err := parseFields([]byte(b.String() + "}"))
	if err != nil {
		t.Fatal(err)
	}
	e, _ := errors.AsType[*tenants.Error](f.err())
	if len(e.Fields) != 20 || len(e.Fields[0].Pointer) > 80 {
		t.Errorf("%d fields, the first pointer has %d bytes; want 20 and at most 80", len(e.Fields),
			len(e.Fields[0].Pointer))
	}
}
