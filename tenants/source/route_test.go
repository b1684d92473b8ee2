package source_test

import (
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/source"
)

var routed = source.TemplateInput{
	Header: map[string][]string{"X-Shop": {"Blue/Shop.example"}, "X-Twice": {"a", "b"}, "X-Empty": {""},
		"X-Bytes": {"a\xff\x00b"}},
	Body: []byte(`{"repository":{"name":"Hello.World","id":42,"private":true,"owner":null,"topics":["a"]},"type":"push",
		"empty":"","long":"` + strings.Repeat("é", 500) +
		`","a":1,"a":2,"ref":"refs/heads/main","ünï":"ok","\u0065scaped":"yes","n":-1.5e3}`),
	Type: "pull_request.opened", Source: "src_0123456789abcdefghjkmnpqrs",
}

func TestTemplate(t *testing.T) {
	for _, tt := range []struct{ template, channel, missing string }{
		{"orders", "orders", ""},
		{"orders.42.x_y-z", "orders.42.x_y-z", ""},
		{"github.{repository.name}", "github.hello-world", ""},
		{"{repository.name}", "hello-world", ""},
		{"github.{repository.id}", "github.42", ""},
		{"a-{repository.id}-b.c", "a-42-b.c", ""},
		{"{repository.id}{repository.id}", "4242", ""},
		{"{ref}", "refs-heads-main", ""},
		{"{a}", "1", ""}, // the first of two
		{"{n}", "-1-5e3", ""},
		{"{ünï}", "ok", ""},
		{"{escaped}", "yes", ""},
		{"{type}", "pull_request-opened", ""},
		{"{json:type}", "push", ""},
		{"s.{source}", "s.src_0123456789abcdefghjkmnpqrs", ""},
		{"shop.{header:X-Shop}", "shop.blue-shop-example", ""},
		{"shop.{header:x-shop}", "shop.blue-shop-example", ""},
		{"{header:X-Bytes}", "a--b", ""},
		{"x.{long}.y", "x." + strings.Repeat("-", 64) + ".y", ""},
		{"{long}x", strings.Repeat("-", 64), ""},
		{"{long}.{long}.{long}.{long}", strings.Repeat(strings.Repeat("-", 64)+".", 3) + "-----", ""},
		{"{repository}", "", "{repository}"},
		{"{repository.private}", "", "{repository.private}"},
		{"{repository.owner}", "", "{repository.owner}"},
		{"{repository.topics}", "", "{repository.topics}"},
		{"{repository.name.x}", "", "{repository.name.x}"},
		{"{empty}", "", "{empty}"},
		{"{nothing}", "", "{nothing}"},
		{"{A}", "", "{A}"},
		{"x.{header:X-None}", "", "{header:X-None}"},
		{"{header:X-Twice}", "", "{header:X-Twice}"},
		{"{header:X-Empty}", "", "{header:X-Empty}"},
		{"{a}.{nothing}", "", "{nothing}"},
	} {
		template, err := source.ParseTemplate(tt.template)
		if err != nil {
			t.Errorf("%s: got %v, want a template", tt.template, err)
			continue
		}
		channel, missing := template.Channel(routed)
		if channel != tt.channel || missing != tt.missing {
			t.Errorf("%s: got %q, missing %q, want %q, missing %q", tt.template, channel, missing, tt.channel,
				tt.missing)
		}
		if fixed := !strings.Contains(tt.template, "{"); template.Fixed() != fixed {
			t.Errorf("%s: Fixed is %v, want %v", tt.template, !fixed, fixed)
		}
	}
}

func TestTemplateOverABodyThatIsNoObject(t *testing.T) {
	template, err := source.ParseTemplate("{a.b}")
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"empty":                "",
		"text":                 "a=b",
		"not UTF-8":            "\xff\xfe{",
		"an array":             `[{"a":{"b":1}}]`,
		"a string":             `"a"`,
		"cut short":            `{"a":{"b":"x`,
		"10,000 arrays deep":   `{"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `,"a":{"b":1}}`,
		"10,000 objects deep":  strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000),
		"10,000 never closed":  strings.Repeat(`{"a":`, 10_000),
		"a number as a member": `{1:2}`,
	} {
		if channel, missing := template.Channel(source.TemplateInput{Body: []byte(body)}); missing != "{a.b}" {
			t.Errorf("%s: got %q, missing %q, want {a.b} missing", name, channel, missing)
		}
	}
}

func TestTemplatesThatAreNone(t *testing.T) {
	for _, s := range []string{
		"", "Orders", "a b", ".", "a.", ".a", "a..b", "{", "}", "{}", "a{", "a}", "{a}}", "{{a}}", "{a", "a{b}c}",
		"{a.}", "{.a}", "{a..b}", "{.}",
		"{header:}", "{header:a b}", "{header:a\r\nb}", "{json:}", "{a\nb}", "{a\x00}", "{\xff}", "é", "{a}.",
		"{a}..{b}", "ORDERS.{a}",
		strings.Repeat("a", 65), strings.Repeat("a.", 300) + "a", strings.Repeat("{a}", 9),
		"{" + strings.Repeat("a", 600) + "}", strings.Repeat("a", 64) + "{b}",
	} {
		_, err := source.ParseTemplate(s)
		if tenants.CodeOf(err) != "invalid_channel" || tenants.KindOf(err) != tenants.Unprocessable {
			t.Errorf("%q: got %v, want Unprocessable invalid_channel", s, err)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("github.{repository.name}", []byte(`{"repository":{"name":"x"}}`), "v", "push")
	f.Add("{header:X-Shop}.{type}{source}", []byte(nil), "\xff.", "..")
	f.Add("{a}.{a}.{a}.{a}", []byte(`{"a":"`+strings.Repeat("x", 300)+`"}`), "", "")
	f.Fuzz(func(t *testing.T, s string, body []byte, header, eventType string) {
		template, err := source.ParseTemplate(s)
		if err != nil {
			return
		}
		in := source.TemplateInput{
			Header: map[string][]string{"X-Shop": {header}}, Body: body, Type: eventType, Source: "src_1",
		}
		channel, missing := template.Channel(in)
		if (missing == "") != tenants.ValidChannel(channel) {
			t.Errorf("%q: got %q, missing %q, want a valid channel or a missing placeholder", s, channel, missing)
		}
		if template.Fixed() != tenants.ValidChannel(s) {
			t.Errorf("%q: Fixed is %v, want %v", s, template.Fixed(), tenants.ValidChannel(s))
		}
		if again, _ := source.ParseTemplate(s); missing == "" {
			if c, _ := again.Channel(in); c != channel {
				t.Errorf("%q: got %q and %q from the same request", s, channel, c)
			}
		}
	})
}
