package endtoend

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
)

// hook posts body to a source's address as it is, signed where the source has a secret.
func (d Deployment) hook(t testing.TB, s Source, delivery string, body []byte, header ...string) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(s.Secret))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-GitHub-Delivery", delivery)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	a, err := d.send(req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func zipped(t testing.TB, plain string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// edges are what a source takes, and how.
func edges(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "edges")
	source := d.GitHubSource(t, tenant, "orders")

	packed := zipped(t, `{"n":1}`)
	d.hook(t, source, "packed", packed, "Content-Encoding", "gzip").Want(t, 202)
	awaitEvents(t, d, tenant, "orders", 1)
	if h := d.History(t, tenant, "orders"); string(h[0].Data) != `{"n":1}` {
		t.Errorf("kept as %s", h[0].Data)
	}
	for _, encoding := range []string{"gzip, gzip", "br", "zstd"} {
		wantProblem(t, d.hook(t, source, "refused", packed, "Content-Encoding", encoding), "415 content_encoding")
	}
	wantProblem(t, d.hook(t, source, "bomb", zipped(t, strings.Repeat("\x00", 1<<20)), "Content-Encoding", "gzip"), "413 decoded_too_large")
	wantProblem(t, d.hook(t, source, "large", bytes.Repeat([]byte{'x'}, 380<<10+1)), "413 body_too_large")
	wantProblem(t, d.hook(t, source, "limit", bytes.Repeat([]byte{'x'}, 256<<10+1)), "413 event_too_large")

	for method, status := range map[string]int{"HEAD": 405, "GET": 405, "PUT": 405, "DELETE": 405, "OPTIONS": 405} {
		req, err := http.NewRequestWithContext(t.Context(), method, source.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.send(req)
		if err != nil {
			t.Fatal(err)
		}
		if a.Status != status || a.Header.Get("Allow") == "" {
			t.Errorf("%s: %d %v", method, a.Status, a.Header)
		}
	}

	d.Must(t, "PATCH", "/v1/sources/"+source.ID, tenant.Key, map[string]any{"response": map[string]any{"status": 201, "body": "<Response/>", "content_type": "xml"}}).Want(t, 200)
	own := func(s Source, delivery string) { // another process may still go by what it has read 5 s ago
		t.Helper()
		await(t, "the source's own answer", func() Answer {
			return d.hook(t, s, delivery, []byte("{}")).Want(t, 200, 201, 202)
		}, func(a Answer) bool {
			return a.Status == 201 && string(a.Body) == "<Response/>" &&
				strings.HasPrefix(a.Header.Get("Content-Type"), "application/xml")
		})
	}
	own(source, "answered")

	old := source
	d.Must(t, "POST", "/v1/sources/"+source.ID+"/rotate-url", tenant.Key, map[string]any{"overlap_seconds": 600}).Want(t, 200).JSON(t, &source)
	source.Secret = old.Secret
	if old.URL == source.URL {
		t.Error("the address is the same")
	}
	own(old, "old")
	own(source, "new")
}
