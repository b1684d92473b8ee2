package signing

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestJSONField(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	nested := strings.Repeat(`{"a":`, 63) + `{"id":"x"}` + strings.Repeat("}", 63)
	for _, c := range []struct {
		name, body, path, want string
		found                  bool
	}{
		{"at the top", `{"id":"evt_1"}`, "id", "evt_1", true},
		{"white space everywhere", " \r\n\t{ \"id\" :\n\"evt_1\" } ", "id", "evt_1", true},
		{"nested", `{"event":{"type":"t","x":1},"type":"outer"}`, "event.type", "t", true},
		{"outer of the same name", `{"event":{"type":"t"},"type":"outer"}`, "type", "outer", true},
		{"empty string", `{"id":""}`, "id", "", true},
		{"integer as written", `{"id":9007199254740993}`, "id", "9007199254740993", true},
		{"number as written", `{"id":-1.50e3 }`, "id", "-1.50e3", true},
		{"first of two equal names", `{"id":"first","id":"second"}`, "id", "first", true},
		{"first of two, although it is not text", `{"id":null,"id":"second"}`, "id", "", false},
		{"first of two objects", `{"event":{},"event":{"type":"t"}}`, "event.type", "", false},
		{"case counts", `{"ID":"x"}`, "id", "", false},
		{"escaped name", `{"\u0069d":"x"}`, "id", "x", true},
		{"escaped value", `{"id":"a\u0062\n\"\\\/"}`, "id", "ab\n\"\\/", true},
		{"surrogate pair", `{"id":"\ud83d\ude00"}`, "id", "\U0001F600", true},
		{"lone surrogate", `{"id":"\ud83d"}`, "id", "\uFFFD", true},
		{"broken UTF-8", "{\"id\":\"\xff\"}", "id", "\uFFFD", true},
		{"name ends in backslashes", `{"a\\":1,"b\\\"":2,"id":"x"}`, "id", "x", true},
		{"name inside a string", `{"a":"\"id\":\"no\"","id":"yes"}`, "id", "yes", true},
		{"brackets inside a string", `{"a":"]}","id":"yes"}`, "id", "yes", true},
		{"after every kind of value",
			`{"a":[1,{"id":"no"},[]],"b":{"id":"no"},"c":true,"d":null,"e":-1e5,"f":"","id":"yes"}`, "id", "yes", true},
		{"a tail that is not JSON", `{"id":"x",,,`, "id", "x", true},

		{"absent", `{"a":1}`, "id", "", false},
		{"empty object", `{}`, "id", "", false},
		{"an object where text belongs", `{"id":{"id":"x"}}`, "id", "", false},
		{"an array where text belongs", `{"id":["x"]}`, "id", "", false},
		{"true where text belongs", `{"id":true}`, "id", "", false},
		{"text where an object belongs", `{"event":"type"}`, "event.type", "", false},
		{"an array at the top", `[{"id":"x"}]`, "id", "", false},
		{"text at the top", `"id"`, "id", "", false},
		{"no body", "", "id", "", false},
		{"BOM", "\ufeff{\"id\":\"x\"}", "id", "", false},
		{"NULs", "\x00\x00\x00", "id", "", false},
		{"a form", "payload=%7B%22id%22%3A%22x%22%7D", "id", "", false},
		{"cut in the name", `{"id`, "id", "", false},
		{"cut after the name", `{"id"`, "id", "", false},
		{"cut after the colon", `{"id":`, "id", "", false},
		{"cut in the value", `{"id":"x`, "id", "", false},
		{"cut after a backslash", `{"id":"x\"`, "id", "", false},
		{"bad escape", `{"id":"\x"}`, "id", "", false},
		{"bad number", `{"id":1-2}`, "id", "", false},
		{"no quotes", `{id:"x"}`, "id", "", false},
		{"no colon", `{"a" 1,"id":"x"}`, "id", "", false},
		{"no comma", `{"a":1 "id":"x"}`, "id", "", false},
		{"crossed brackets", `{"a":[{]},"id":"x"}`, "id", "", false},
		{"closed too early", `{"a":],"id":"x"}`, "id", "", false},
		{"no value", `{"a":,"id":"x"}`, "id", "", false},

		{"after 63 levels: 64 with its own", `{"a":` + deep(63) + `,"id":"x"}`, "id", "x", true},
		{"after 64 levels: not found", `{"a":` + deep(64) + `,"id":"x"}`, "id", "", false},
		{"after 10,000 levels: not found", `{"a":` + deep(10_000) + `,"id":"x"}`, "id", "", false},
		{"before 10,000 levels", `{"id":"x","a":` + deep(10_000) + `}`, "id", "x", true},
		{"64 levels down", nested, strings.Repeat("a.", 63) + "id", "x", true},
		{"65 levels down: not found", `{"a":` + nested + `}`, strings.Repeat("a.", 64) + "id", "", false},
	} {
		got, found := jsonField([]byte(c.body), c.path, 64)
		if got != c.want || found != c.found {
			t.Errorf("%s: got %q, %v; want %q, %v", c.name, got, found, c.want, c.found)
		}
	}
}

func TestJSONFieldOverItsLimitIsGivenLongerThanTheLimit(t *testing.T) {
	for name, value := range map[string]string{
		"a byte over":  `"` + strings.Repeat("x", 65) + `"`,
		"a megabyte":   `"` + strings.Repeat("x", 1<<20) + `"`,
		"65 escapes":   `"` + strings.Repeat(`\u0041`, 65) + `"`,
		"escapes only": `"` + strings.Repeat(`\n`, 1<<20) + `"`,
		"a number":     strings.Repeat("9", 65),
	} {
		got, found := jsonField([]byte(`{"id":`+value+`}`), "id", 64)
		if !found || len(got) <= 64 || len(got) > 6*64 {
			t.Errorf("%s: got %d bytes, %v; want 65", name, len(got), found)
		}
	}
	if got, _ := jsonField([]byte(`{"id":"`+strings.Repeat(`\u0041`, 64)+`"}`), "id", 64); got != strings.Repeat("A",
		64) {
		t.Errorf("64 escapes: got %q, want 64 letters A", got)
	}
}

// If each step looked back at everything before it, this would take minutes.
func TestJSONFieldTakesTimeInProportionToTheBody(t *testing.T) {
	const size = 4 << 20
	for name, body := range map[string]string{
		"backslashes":       `{"` + strings.Repeat(`\\`, size/2) + `":1}`,
		"escaped quotes":    `{"` + strings.Repeat(`\"`, size/2) + `":1}`,
		"equal names":       `{` + strings.Repeat(`"type":1,`, size/9) + `"x":1}`,
		"open brackets":     `{"a":` + strings.Repeat("[", size),
		"white space":       strings.Repeat(" ", size),
		"one long number":   `{"a":` + strings.Repeat("1", size),
		"empty strings":     `{"a":[` + strings.Repeat(`"",`, size/3),
		"commas":            `{"a":[` + strings.Repeat(`,`, size),
		"objects in a list": `{"a":[` + strings.Repeat(`{},`, size/3) + `0]}`,
	} {
		began := time.Now()
		if _, found := jsonField([]byte(body), "id", 64); found {
			t.Errorf("%s: a field was found, want none", name)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %v, want at most 5s", name, took)
		}
	}
}

// reference finds a field of valid JSON with encoding/json: the first of several equal names, case-sensitive.
func reference(body []byte, path string) (string, bool) {
	for {
		name, rest, deeper := strings.Cut(path, ".")
		dec := json.NewDecoder(strings.NewReader(string(body)))
		if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
			return "", false
		}
		var value json.RawMessage
		for dec.More() && value == nil {
			key, err := dec.Token()
			if err != nil {
				return "", false
			}
			var v json.RawMessage
			if dec.Decode(&v) != nil {
				return "", false
			}
			if key == name {
				value = v
			}
		}
		if deeper {
			body, path = value, rest
			continue
		}
		if len(value) == 0 {
			return "", false
		}
		if value[0] == '"' {
			var s string
			err := json.Unmarshal(value, &s)
			return s, err == nil
		}
		return string(value), value[0] == '-' || value[0] >= '0' && value[0] <= '9'
	}
}

// nesting returns the depth of valid JSON.
func nesting(body []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
