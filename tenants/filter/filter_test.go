package filter_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/filter"
)

func newFilters(t testing.TB) *filter.Filters {
	t.Helper()
	f, err := filter.New()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const order = `{"id":9007199254740993,"total":12.5,"count":3,"paid":true,"note":null,` +
	`"customer":{"country":"DE","tags":["new","vip"]},"items":[{"sku":"A-1","n":2},{"sku":"B","n":1}]}`

func event(data string) tenants.Event {
	return tenants.Event{Type: "order.paid", Channel: "orders.42", Source: "src_1", Data: []byte(data)}
}

func TestExpressions(t *testing.T) {
	f := newFilters(t)
	for expression, want := range map[string]bool{
		`true`:                              true,
		`event.type == "order.paid"`:        true,
		`event.type.startsWith("invoice.")`: false,
		`event.channel == "orders.42" && source == "src_1"`: true,
		`data.total >= 12`:  true,
		`data.total > 12.5`: false,
		`data.total < 13 && data.count == 3 && data.count == 3.0`:      true,
		`data.id == 9007199254740993`:                                  true,
		`data.id == 9007199254740992`:                                  false,
		`data.paid`:                                                    true,
		`data.note == null`:                                            true,
		`data.customer.country in ["DE", "AT"]`:                        true,
		`has(data.customer) && has(data.customer.city)`:                false,
		`has(data.missing) && data.missing.deep == 1`:                  false,
		`data.missing == 1 || data.paid`:                               true, // one side suffices
		`data.items.exists(i, i.sku == "A-1" && i.n > 1)`:              true,
		`data.items.all(i, i.n > 1)`:                                   false,
		`data.items.filter(i, i.n > 1).size() == 1`:                    true,
		`data.items.map(i, i.n).exists(n, n == 2)`:                     true,
		`"vip" in data.customer.tags`:                                  true,
		`data.customer.country.matches("^[A-Z]{2}$")`:                  true,
		`data.items[0].sku == "A-1"`:                                   true,
		`data["customer"]["country"] == "DE"`:                          true,
		`data.count + 1 == 4`:                                          true,
		`data.exists(k, k == "paid")`:                                  true,
		`event.type.matches("order\\.(paid|shipped)") && data.total>1`: true,
	} {
		if err := f.Check(expression); err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		got, err := f.Matches(expression, event(order))
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", expression, got, err, want)
		}
	}
}

func wantRefused(t *testing.T, err error, code, detail string) {
	t.Helper()
	e, ok := err.(*tenants.Error)
	if !ok || e.Kind != tenants.Unprocessable || e.Code != code || !strings.Contains(e.Detail, detail) ||
		len(e.Detail) > 300 || strings.Contains(e.Detail, "\n") {
		t.Errorf("got %v, want %s: %s", err, code, detail)
	}
}

func TestExpressionsThatAreNone(t *testing.T) {
	f := newFilters(t)
	for expression, detail := range map[string]string{
		``:                                     "line 1, column 1",
		`data.total >`:                         "line 1, column 13",
		"true &&\n  nosuch":                    "line 2, column 3",
		`1 + 1`:                                "not of type int",
		`event.type`:                           "not of type string",
		`event.id == "x"`:                      "undeclared reference",
		`event`:                                "undeclared reference",
		`event.type == 1`:                      "no matching overload",
		`event.type.matches("(")`:              "line 1, column 20: invalid matches argument",
		`data.x.matches("(a{500}){2}")`:        "",
		`true // ` + strings.Repeat("x", 1024): "at most 1024",
		"\xff":                                 "UTF-8",
		strings.Repeat("(", 500) + `true` + strings.Repeat(")", 500):              "",
		`[` + strings.Repeat("1,", 505) + `1] == []`:                              "",
		`data.a.all(a, data.a.all(b, data.a.all(c, data.a.all(d, a+b+c+d > 0))))`: "must cost less",
		`os.exit(1)`:            "undeclared reference",
		`load("file")`:          "undeclared reference",
		`data.a.exists(a, b)`:   "undeclared reference",
		`timestamp("x") == now`: "",
	} {
		err := f.Check(expression)
		wantRefused(t, err, "invalid_filter", detail)
		if e, ok := err.(*tenants.Error); ok && (len(e.Fields) != 1 || e.Fields[0].Pointer != "/filter") {
			t.Errorf("%q: got fields %+v, want one for /filter", expression, e.Fields)
		}
		if got, err := f.Matches(expression, event(order)); got || tenants.CodeOf(err) != "filter_failed" {
			t.Errorf("stored nevertheless, %q: got %v, %v; want filter_failed", expression, got, err)
		}
	}
}

func TestEvaluationThatFailsDoesNotMatch(t *testing.T) {
	f := newFilters(t)
	for _, c := range []struct{ expression, data, detail string }{
		{`data.missing == 1`, order, "no such key: missing"},
		{`data.total.deep == 1`, order, ""},
		{`data.count`, order, "must be true or false"},
		{`data.count / 0 == 1`, order, ""},
		{`data.items[7].n == 1`, order, ""},
		{`data.paid`, `not json`, "must be valid JSON"},
		{`data.paid`, ``, "must be valid JSON"},
		{`data.paid`, `{"paid":true} x`, "nothing after it"},
		{`data.paid`, "{\"paid\":\"\xff\"}", "UTF-8"},
		{`data.paid`, `{"n":1e999}`, "too large"},
		{`data.paid`, strings.Repeat("[", 100) + strings.Repeat("]", 100), "at most 64 levels"},
		{`data.paid`, strings.Repeat("[", 350_000), "at most 64 levels"},
	} {
		if err := f.Check(c.expression); err != nil {
			t.Errorf("%s: %v", c.expression, err)
		}
		got, err := f.Matches(c.expression, event(c.data))
		if got {
			t.Errorf("%s matches, want a failure", c.expression)
		}
		wantRefused(t, err, "filter_failed", c.detail)
	}
	// An expression that does not use the payload accepts any.
	if got, err := f.Matches(`event.type == "order.paid"`, event("\xff")); !got || err != nil {
		t.Errorf("got %v, %v; want a match", got, err)
	}
}

// The attacks: expressions whose cost grows with the payload, on payloads of the largest size.
func TestWorkOfAnEvaluationIsBounded(t *testing.T) {
	f := newFilters(t)
	list := make([]int, 60_000)
	many, err := json.Marshal(map[string]any{"a": list, "s": strings.Repeat("a", 200_000)})
	if err != nil {
		t.Fatal(err)
	}
	for _, expression := range []string{
		`data.a.all(x, x == 0)`,
		`data.a.all(x, data.a.all(y, x == y))`,
		`data.a.map(x, data.s).size() == 1`,
		`data.a.map(x, [x, x, x, x]).size() == 1`,
		`data.a.all(x, data.s.contains("a"))`,
		`data.a.all(x, data.s.matches("(a+)+"))`,
		`data.a.all(x, data.a == data.a)`,
		`data.a.exists(x, 5 in data.a)`,
		`data == data`,
		`data.a.all(x, data.s.size() > 1)`,
		`data.a.exists(x, bytes(data.s) == b"")`,
		`data.a.map(x, data.a + data.a).size() == 1`,
		`data.a.exists(x, data.s + data.s == "")`,
		`data.a.filter(x, data == data).size() == 1`,
		`data.s.matches("(a*)*(a*)*(a*)*b")`,
	} {
		if err := f.Check(expression); err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		got, err := f.Matches(expression, event(string(many)))
		if got {
			t.Errorf("%s matches", expression)
		}
		wantRefused(t, err, "filter_failed", "too much")
	}
}

func TestFiltersAreShared(t *testing.T) {
	f := newFilters(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 50 {
				got, err := f.Matches(fmt.Sprintf("data.n == %d", n%5), event(fmt.Sprintf(`{"n":%d}`, i%5)))
				if err != nil || got != (n%5 == i%5) {
					t.Errorf("%d, %d: %v, %v", n, i, got, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzMatches(f *testing.F) {
	for _, s := range []string{`data.a == 1`, `data.items.exists(i, i.n > 1)`, `event.type.matches("a+")`,
		`has(data.a)`, `data`, `[1,2].map(x, x*2).size() == 2`, `{"a":1}.a == 1`, `data.a.b[0]`} {
		f.Add(s, order)
	}
	f.Add(`data == data`, `{"a":[1,2,{"b":null}]}`)
	filters := newFilters(f)
	f.Fuzz(func(t *testing.T, expression, data string) {
		refused := filters.Check(expression)
		if refused != nil && tenants.CodeOf(refused) != "invalid_filter" {
			t.Fatal(refused)
		}
		got, err := filters.Matches(expression, event(data))
		if err != nil && (got || tenants.CodeOf(err) != "filter_failed") || refused != nil && err == nil {
			t.Fatalf("Check: %v; Matches: %v, %v", refused, got, err)
		}
		again, errAgain := filters.Matches(expression, event(data))
		if again != got || (err == nil) != (errAgain == nil) {
			t.Fatalf("got %v, %v first and %v, %v then", got, err, again, errAgain)
		}
	})
}

func BenchmarkMatches(b *testing.B) {
	f := newFilters(b)
	e := event(order)
	for b.Loop() {
		if got, err := f.Matches(`data.total >= 12 && data.items.exists(i, i.sku == "A-1")`, e); !got || err != nil {
			b.Fatal(got, err)
		}
	}
}
