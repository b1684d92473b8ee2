package endtoend

import (
	"bytes"
	"embed"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed providers
var providers embed.FS

// Libraries are the providers' own, for Node: what they sign and what they take is what a webhook is.
type Libraries struct{ dir string }

// Registration is a source as a library has to know it.
type Registration struct {
	Provider string `json:"provider"`
	Secret   string `json:"secret"`
	URL      string `json:"url"`
}

// SignJob asks a library to sign.
type SignJob struct {
	Registration
	ID   string            `json:"id"`
	Now  int64             `json:"now"` // Unix time in milliseconds
	Body string            `json:"body"`
	Form map[string]string `json:"form,omitempty"`
}

// Webhook is a request that somebody signed. Names of headers are in lower case, as Node's http gives them to the libraries.
type Webhook struct {
	Registration
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Query   string            `json:"query,omitempty"`
}

// Said is what the libraries say.
type Said struct {
	Signed []struct {
		Headers     map[string]string
		Body, Query string // "": as asked
	}
	Verified        []bool   // by webhook: whether the library takes it
	Signs, Verifies []string // providers whose library has a function for it
}

// OpenLibraries installs them once. Where there is no node or npm the test is skipped, and fails under CI=true.
func OpenLibraries(t testing.TB) Libraries {
	t.Helper()
	files, err := fs.Sub(providers, "providers")
	if err != nil {
		t.Fatal(err)
	}
	return Libraries{install(t, files, "providers", "webhooks are not held against the providers' own libraries")}
}

// Ask runs the libraries once for all that is asked: they take a second to load.
func (l Libraries) Ask(t testing.TB, signing []SignJob, verifying []Webhook) (s Said) {
	t.Helper()
	script, err := providers.ReadFile("providers/libraries.mjs")
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := json.Marshal(map[string]any{"signing": append([]SignJob{}, signing...), "verifying": append([]Webhook{}, verifying...)})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "jobs.json")
	if err := os.WriteFile(path, jobs, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "--input-type=module", "-", path)
	cmd.Dir, cmd.Stdin = l.dir, bytes.NewReader(script) // imports are looked for in the working directory
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return s
}
