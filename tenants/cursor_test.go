package tenants_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
)

func TestCursor(t *testing.T) {
	two := []string{"a", "b"}
	cursor := string(tenants.AppendCursor(nil, tenants.CursorSeed(two), []int64{12, 0}))
	if got, err := tenants.ParseCursor(cursor, two); err != nil || !slices.Equal(got, []int64{12, 0}) {
		t.Errorf("ParseCursor(%q) = %v, %v, want [12 0]", cursor, got, err)
	}
	if got, err := tenants.ParseCursor("12", two[:1]); err != nil || !slices.Equal(got, []int64{12}) {
		t.Errorf("ParseCursor(12) = %v, %v, want [12]", got, err)
	}
	for name, c := range map[string]struct {
		cursor   string
		channels []string
	}{
		"nothing":                 {"", two[:1]},
		"no channel":              {"", nil},
		"a sign":                  {"+1", two[:1]},
		"a negative number":       {"-1", two[:1]},
		"a leading zero":          {"01", two[:1]},
		"too large":               {"9223372036854775808", two[:1]},
		"the stop mark":           {"!stop", two[:1]},
		"several for one":         {cursor, two[:1]},
		"one for several":         {"12", two},
		"other channels":          {cursor, []string{"a", "c"}},
		"another order":           {cursor, []string{"b", "a"}},
		"a longer list":           {cursor, []string{"a", "b", "c"}},
		"names that join alike":   {cursor, []string{"a\nb"}},
		"a position changed":      {strings.Replace(cursor, ".c", ".d", 1), two},
		"cut":                     {cursor[:len(cursor)-1], two},
		"cut inside the check":    {cursor[:5], two},
		"something after it":      {cursor + ".", two},
		"capitals in the check":   {strings.ToUpper(cursor), two},
		"a megabyte":              {strings.Repeat("1", 1<<20), two[:1]},
		"more than the positions": {cursor + ".1", two},
	} {
		if got, err := tenants.ParseCursor(c.cursor, c.channels); tenants.CodeOf(err) != "invalid_cursor" {
			t.Errorf("%s: got %v and error %v, want invalid_cursor", name, got, err)
		}
	}
}

func TestCursorOfManyChannelsFits(t *testing.T) {
	channels, positions := make([]string, tenants.MaxChannels), make([]int64, tenants.MaxChannels)
	for i := range channels {
		channels[i], positions[i] = strings.Repeat("x", i+1), math.MaxInt64
	}
	cursor := string(tenants.AppendCursor(nil, tenants.CursorSeed(channels), positions))
	if len(cursor) > 1024 {
		t.Errorf("the cursor has %d bytes, want at most 1024", len(cursor))
	}
	if got, err := tenants.ParseCursor(cursor, channels); err != nil || !slices.Equal(got, positions) {
		t.Errorf("ParseCursor = %v, %v, want %v", got, err, positions)
	}
}

// A text that ParseCursor accepts is exactly what AppendCursor makes of the positions, and no text makes it panic.
func FuzzParseCursor(f *testing.F) {
	channels := []string{"a", "b.c", "d"}
	f.Add(string(tenants.AppendCursor(nil, tenants.CursorSeed(channels), []int64{1, 35, math.MaxInt64})), 3)
	f.Add("0", 1)
	f.Add("00000000.0.0", 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		of := channels[:max(0, min(n, len(channels)))]
		positions, err := tenants.ParseCursor(s, of)
		if err != nil {
			return
		}
		if len(positions) != len(of) {
			t.Fatalf("ParseCursor(%q) = %v, want %d positions", s, positions, len(of))
		}
		if again := string(tenants.AppendCursor(nil, tenants.CursorSeed(of), positions)); again != s {
			t.Errorf("ParseCursor(%q) = %v, whose cursor is %q", s, positions, again)
		}
	})
}
