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

// Libraries runs the providers' own libraries, in Node: a webhook is correct if they accept it.
type Libraries struct{ dir string }

// Registration is a source, described for a library.
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

// Webhook is a signed request. Header names are in lower case, as Node's http package passes them to the libraries.
type Webhook struct {
	Registration
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Query   string            `json:"query,omitempty"`
}

// LibraryAnswers holds the answers of the libraries.
type LibraryAnswers struct {
	Signed []struct {
		Headers     map[string]string
		Body, Query string // "": as in the job
	}
	Verified        []bool   // one per webhook: whether the library accepts it
	Signs, Verifies []string // providers whose library can do it
}

// OpenLibraries installs the libraries once. Without node or npm the test is skipped; with CI=true it fails instead.
func OpenLibraries(t testing.TB) Libraries {
	t.Helper()
	files, err := fs.Sub(providers, "providers")
	if err != nil {
		t.Fatal(err)
	}
	return Libraries{install(t, files, "providers", "webhooks are not checked by the providers' own libraries")}
}

// Ask runs the libraries once for all questions: they take a second to load.
func (l Libraries) Ask(t testing.TB, signing []SignJob, verifying []Webhook) (s LibraryAnswers) {
	t.Helper()
	script, err := providers.ReadFile("providers/libraries.mjs")
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := json.Marshal(map[string]any{"signing": append([]SignJob{}, signing...),
		"verifying": append([]Webhook{}, verifying...)})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "jobs.json")
	if err := os.WriteFile(path, jobs, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "--input-type=module", "-", path)
	cmd.Dir, cmd.Stdin = l.dir, bytes.NewReader(script) // node looks for imports in the working directory
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("decoding the libraries' answers: %v\n%s", err, out)
	}
	return s
}
