package tenants_test

import (
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
)

func TestNestsDeeper(t *testing.T) {
	for text, depth := range map[string]int{
		``: 0, `1`: 0, `"[[["`: 0, `"\"[["`: 0, `"\\"[`: 1, `{}`: 1, `[[],{}]`: 2, `{"[":[{"a":"{{"}]}`: 3, `]]][`: 0,
		strings.Repeat("[", 100_000): 100_000,
	} {
		if tenants.NestsDeeper([]byte(text), depth) || depth > 0 && !tenants.NestsDeeper([]byte(text), depth-1) {
			t.Errorf("%.20q: want a depth of %d", text, depth)
		}
	}
}
