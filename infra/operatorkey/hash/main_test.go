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
	if code := run([]string{path}, &out, &errs); code != 0 ||
		!regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(out.String()) || errs.Len() > 0 {
		t.Errorf("exit code %d, output %q and %q, want 0 and a hash", code, &out, &errs)
	}
	if key, err := os.ReadFile(path); err != nil || strings.Contains(out.String(), strings.TrimSpace(string(key))) {
		t.Errorf("printed %s, %v, want no key", &out, err)
	}
	for want, args := range map[int][]string{1: {filepath.Join(path, "below a file")}, 2: {"-h"}} {
		out.Reset()
		errs.Reset()
		if code := run(args, &out, &errs); code != want || out.Len() > 0 || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("with arguments %q: exit code %d, output %q and %q, want %d and one line on stderr", args,
				code, &out, &errs, want)
		}
	}
	if code := run(nil, &out, &errs); code != 2 {
		t.Errorf("without arguments: exit code %d, want 2", code)
	}
}
