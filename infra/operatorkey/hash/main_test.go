package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestHashIsPrintedAndTheKeyIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "operator.key")
	var out, errs bytes.Buffer
	if code := run([]string{path}, &out, &errs); code != 0 || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(out.String()) || errs.Len() > 0 {
		t.Errorf("%d, %q, %q", code, &out, &errs)
	}
	if key, err := os.ReadFile(path); err != nil || strings.Contains(out.String(), strings.TrimSpace(string(key))) {
		t.Errorf("%v: printed %s", err, &out)
	}
	for want, args := range map[int][]string{1: {filepath.Join(path, "below a file")}, 2: {"-h"}} {
		out.Reset()
		errs.Reset()
		if code := run(args, &out, &errs); code != want || out.Len() > 0 || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%q: %d, %q, %q", args, code, &out, &errs)
		}
	}
	if code := run(nil, &out, &errs); code != 2 {
		t.Errorf("nothing: %d", code)
	}
}
