package access_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

func BenchmarkAllow(b *testing.B) {
	full := &rows{}
	var rules []access.Rule
	for i := range 700 {
		rules = append(rules, right("role:editor", fmt.Sprint("channel:c", i), "read", "allow"))
	}
	full.set(tenA, rules...)
	ctx := context.Background()
	for _, c := range []struct {
		name   string
		source *rows
		p      tenants.Principal
	}{
		{"default", &rows{}, key("viewer")},
		{"700 rows", full, key("viewer")},
		{"two roles", full, key("viewer", "editor")},
		{"narrowed", full, bearer("alice", []string{"orders", "channels.*", "x.*"}, "viewer")},
	} {
		b.Run("remembered/"+c.name, func(b *testing.B) {
			g := newGate(b, c.source)
			b.ReportAllocs()
			for b.Loop() {
				if yes, err := g.Allow(ctx, c.p, "channel:orders", access.Subscribe); !yes || err != nil {
					b.Fatal(yes, err)
				}
			}
		})
		b.Run("first/"+c.name, func(b *testing.B) {
			g := newGate(b, c.source)
			i := 0
			for b.Loop() {
				i++
				if _, err := g.Allow(ctx, c.p, fmt.Sprint("channel:x.", i), access.Subscribe); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("compile/700 rows", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !allowed(b, newGate(b, full), key("viewer"), "channel:orders", access.Read) {
				b.Fatal("refused")
			}
		}
	})
}
