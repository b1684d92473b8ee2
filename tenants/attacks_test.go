package tenants_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every attack in the table names at least one test, and the tests exist. Subtests, which follow a slash, are not
// checked.
func TestTheTableOfAttacksNamesTestsThatAreThere(t *testing.T) {
	text, err := os.ReadFile("../.github/ATTACKS.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := make(map[string]bool)
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range declaration.FindAllSubmatch(b, -1) {
			declared[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)\\w+)")
	next := 1
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue // the head
		}
		if n != next {
			t.Fatalf("found row %d, want row %d", n, next)
		}
		next++
		tests := name.FindAllStringSubmatch(cells[4], -1)
		if len(tests) == 0 {
			t.Errorf("row %d must name a test", n)
		}
		for _, m := range tests {
			if !declared[m[1]] {
				t.Errorf("row %d names %s, which does not exist", n, m[1])
			}
		}
	}
	if next != 87 {
		t.Errorf("the table ends with row %d, want 86", next-1)
	}
}
