package hidden_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// hide returns the Hidden of paths in all channels.
func hide(paths ...string) hidden.Hidden {
	var fields []hidden.Field
	for _, p := range paths {
		fields = append(fields, hidden.Field{Channel: "*", Path: p})
	}
	return hidden.New(fields...)
}

func TestView(t *testing.T) {
	const withheld = `{"withheld":true}`
	deep := strings.Repeat(`[`, 9_990) + `{"email":"e"}` + strings.Repeat(`]`, 9_990)
	for name, c := range map[string]struct{ paths, data, want string }{
		"a member is removed, the rest keeps its bytes": {"email", `{"z":1.50,"email":"e","a":"\u00e9"}`,
			`{"z":1.50,"a":"\u00e9"}`},
		"the first, the last and the only one": {"email", `[{"email":1,"a":2},{"a":2,"email":1},{"email":1}]`,
			`[{"a":2},{"a":2},{}]`},
		"a path into objects": {"customer.email",
			`{"customer":{"email":"e","name":"n"},"email":"other"}`, `{"customer":{"name":"n"},"email":"other"}`},
		"a path through arrays": {"items.price",
			`{"items":[{"price":1,"n":2},[[{"price":3}]],4,null]}`, `{"items":[{"n":2},[[{}]],4,null]}`},
		"a member with everything in it": {"customer", `{"a":1,"customer":{"email":["e",{"x":"}"}]}}`,
			`{"a":1}`},
		"white space of every kind": {"email",
			" {\r\n\t\"a\" : [ 1 , 2 ] ,\n \"email\" : \"e\" } \n", `{"a":[ 1 , 2 ]}`},
		"a member given twice": {"email", `{"email":1,"a":2,"email":3}`, `{"a":2}`},
		"an object given twice": {"customer.email",
			`{"customer":{"email":1},"customer":{"email":2,"b":1}}`, `{"customer":{},"customer":{"b":1}}`},
		"a name in escapes": {"customer.email",
			`{"c\u0075stomer":{"\u0065mai\u006C":1,"b":2}}`, `{"c\u0075stomer":{"b":2}}`},
		"a name with dots in it": {"customer.email",
			`{"customer.email":1,"customer.name":2,"customer.email.work":3}`, `{"customer.name":2}`},
		"a path through a name with dots": {"a.b.c.d", `{"a.b":{"c.d":1,"c":{"d":2,"e":3}}}`,
			`{"a.b":{"c":{"e":3}}}`},
		"huge numbers are kept": {"email",
			`{"n":123456789012345678901234567890.5e-400,"email":1e999}`, `{"n":123456789012345678901234567890.5e-400}`},
		"one path within another": {"a.b a a.b.c", `{"a":{"b":1},"b":2}`, `{"b":2}`},
		"several paths": {"a.b a.c d", `{"a":{"b":1,"c":2,"x":3},"d":4,"e":5}`,
			`{"a":{"x":3},"e":5}`},
		"a shorter and a longer name are others": {"email", `{"emai":1,"email2":2,"Email":3,"":4}`,
			`{"emai":1,"email2":2,"Email":3,"":4}`},
		"brackets in strings": {"email", `{"a":"}],{\"email\":1","b":"\\","email":"\\\""}`,
			`{"a":"}],{\"email\":1","b":"\\"}`},
		"a scalar on the way hides nothing":        {"customer.email", `{"customer":"c"}`, `{"customer":"c"}`},
		"JSON without members":                     {"email", `"email"`, `"email"`},
		"a payload without hidden members is kept": {"email", " { \"a\" : 1 } ", " { \"a\" : 1 } "},
		"no payload": {"email", ``, ``},
		"deep JSON":  {"email", deep, strings.Replace(deep, `"email":"e"`, "", 1)},
		"JSON nested beyond every reader is withheld": {"email",
			`[` + strings.Repeat(deep[:10], 5) + deep + strings.Repeat("]", 51), withheld},
		"text is withheld":                              {"email", `email=e`, withheld},
		"truncated JSON is withheld":                    {"email", `{"a":1,"email":"e"`, withheld},
		"JSON with a suffix is withheld":                {"email", `{"a":1}{"email":"e"}`, withheld},
		"JSON with a comment is withheld":               {"email", `{"a":1/*,"email":"e"*/}`, withheld},
		"JSON after a byte order mark is withheld":      {"email", "\ufeff" + `{"email":"e"}`, withheld},
		"JSON that is not UTF-8 is withheld":            {"email", "{\"a\":\"\xff\",\"email\":\"e\"}", withheld},
		"JSON in UTF-16 is withheld":                    {"email", "{\x00\"\x00e\x00\"\x00", withheld},
		"a trailing comma, which lenient readers allow": {"email", `{"email":"e",}`, withheld},
		"a lone surrogate in a name":                    {"email", `{"\ud800":1,"email":2}`, `{"\ud800":1}`},
	} {
		e := &tenants.Event{Channel: "a", Data: []byte(c.data), ContentType: "text/plain"}
		before := bytes.Clone(e.Data)
		got := hide(strings.Fields(c.paths)...).View(e)
		if string(got.Data) != c.want {
			t.Errorf("%s: got %.300s, want %.300s", name, got.Data, c.want)
		}
		if !bytes.Equal(e.Data, before) {
			t.Errorf("%s: View changed its argument to %.300s", name, e.Data)
		}
		if (c.want == withheld) != (got.ContentType == "application/json") {
			t.Errorf("%s: got content type %s", name, got.ContentType)
		}
		if c.want == c.data && got != e {
			t.Errorf("%s: got a copy of an event without hidden fields, want the event", name)
		}
	}
}

func TestHiddenIsOfChannels(t *testing.T) {
	h := hidden.New(
		hidden.Field{Channel: "orders.*", Path: "b"}, hidden.Field{Channel: "*", Path: "a"},
		hidden.Field{Channel: "orders.1", Path: "b"}, hidden.Field{Channel: "news", Path: "c"},
	)
	for channel, want := range map[string]string{"orders.1": "a b", "orders.2": "a b", "orders": "a", "news": "a c",
		"x": "a"} {
		if got := strings.Join(h.Fields(channel), " "); got != want {
			t.Errorf("fields of %s: got %s, want %s", channel, got, want)
		}
		data, _ := json.Marshal(map[string]int{"a": 1, "b": 1, "c": 1})
		var left map[string]int
		if err := json.Unmarshal(h.View(&tenants.Event{Channel: channel, Data: data}).Data, &left); err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{"a", "b", "c"} {
			hide := slices.Contains(strings.Fields(want), member)
			if _, shown := left[member]; shown == hide {
				t.Errorf("member %s in %s: got shown %v, want %v", member, channel, shown, !hide)
			}
		}
	}
	if hide("b", "a", "b") != hide("a", "b") || hide() != "" {
		t.Error("Hiddens of the same fields are not equal")
	}
	e := &tenants.Event{Channel: "x", Data: []byte("text")}
	if hidden.Hidden("").View(e) != e || hidden.New(hidden.Field{Channel: "news", Path: "c"}).View(e) != e {
		t.Error("got a copy of an event without hidden fields, want the event")
	}
}

func TestFieldPaths(t *testing.T) {
	for path, want := range map[string]bool{
		"email": true, "customer.email": true, "a-b.$c_d.@id.0": true, strings.Repeat("a", 64): true,
		strings.Repeat("a.", 15) + "a": true, strings.Repeat("a.", 16) + "a": false, strings.Repeat("a", 65): false,
		"": false, ".": false, ".a": false, "a.": false, "a..b": false, "*": false, "a.*": false, "a b": false,
		"a,b": false, "a\nb": false, `a"b`: false, "é": false, "a/b": false, "a[0]": false,
		strings.Repeat(strings.Repeat("a", 60)+".", 4): false,
	} {
		if hidden.ValidPath(path) != want {
			t.Errorf("ValidPath(%q): got %v, want %v", path, !want, want)
		}
	}
}

// lookFor returns every value that a plain reader of JSON finds at the path in v.
func lookFor(v any, path []string) (found []any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			found = append(found, lookFor(x, path)...)
		}
	case map[string]any:
		if x, ok := v[path[0]]; ok {
			if len(path) == 1 {
				return append(found, x)
			}
			found = append(found, lookFor(x, path[1:])...)
		}
	}
	return found
}

// No reader finds a hidden field in the output, whatever the input is, and a withheld payload reveals nothing.
func FuzzView(f *testing.F) {
	for _, data := range []string{
		`{"customer":{"email":"SECRET","n":1},"email":"SECRET"}`, `[{"customer":[{"\u0065mail":"SECRET"}]}]`,
		`{"customer":{"email":1},"customer":{"email":"SECRET"}}`, `{"customer.email":"SECRET"}`,
		`{"email":"SECRET"`, `{"email":"SECRET",}`, "\ufeff{\"email\":\"SECRET\"}",
		`{"a":[{"b":{}},"\"email\":"],"email":{"x":["SECRET"]}}`,
	} {
		f.Add([]byte(data))
	}
	paths := []string{"customer.email", "email", "a.b.c"}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bytes.Clone(data)
		got := hide(paths...).View(&tenants.Event{Channel: "a", Data: data}).Data
		if !bytes.Equal(in, data) {
			t.Fatalf("View changed its argument from %q to %q", in, data)
		}
		if len(data) == 0 {
			return
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(got))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("View of %q is %q, want JSON: %v", data, got, err)
		}
		for _, path := range paths {
			if found := lookFor(v, strings.Split(path, ".")); len(found) > 0 {
				t.Fatalf("View of %q is %q, in which %s is %v, want it hidden", data, got, path, found)
			}
		}
		if !json.Valid(data) && string(got) != `{"withheld":true}` {
			t.Fatalf("View of %q, which is not JSON, is %q, want it withheld", data, got)
		}
		if again := hide(paths...).View(&tenants.Event{Channel: "a", Data: got}).Data; !bytes.Equal(again, got) {
			t.Fatalf("View of %q is %q, and View of that is %q, want the same", data, got, again)
		}
	})
}
