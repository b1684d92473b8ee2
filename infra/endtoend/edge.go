package endtoend

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"
)

// postRaw posts body to a source's address as opaque bytes, signed with the source's secret.
func (d Deployment) postRaw(t testing.TB, s Source, delivery string, body []byte, header ...string) Answer {
	t.Helper()
	header = append([]string{"Content-Type", "application/octet-stream"}, header...)
	return d.post(t, s, delivery, body, header...)
}

func gzipped(t testing.TB, plain string) []byte {
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

// ingestLimits checks which bodies, encodings and methods a source accepts, and what it answers.
func ingestLimits(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "limits")
	source := d.GitHubSource(t, tenant, "orders")

	packed := gzipped(t, `{"n":1}`)
	d.postRaw(t, source, "packed", packed, "Content-Encoding", "gzip").Want(t, 202)
	awaitEvents(t, d, tenant, "orders", 1)
	if h := d.History(t, tenant, "orders"); string(h[0].Data) != `{"n":1}` {
		t.Errorf("kept as %s, want the decoded body", h[0].Data)
	}
	for _, encoding := range []string{"gzip, gzip", "br", "zstd"} {
		wantProblem(t, d.postRaw(t, source, "refused", packed, "Content-Encoding", encoding), "415 content_encoding")
	}
	wantProblem(t, d.postRaw(t, source, "bomb", gzipped(t, strings.Repeat("\x00", 1<<20)), "Content-Encoding", "gzip"),
		"413 decoded_too_large")
	wantProblem(t, d.postRaw(t, source, "large", bytes.Repeat([]byte{'x'}, 380<<10+1)), "413 body_too_large")
	wantProblem(t, d.postRaw(t, source, "limit", bytes.Repeat([]byte{'x'}, 256<<10+1)), "413 event_too_large")

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
			t.Errorf("%s is answered %d with %v, want %d and an Allow header", method, a.Status, a.Header, status)
		}
	}

	d.Must(t, "PATCH", "/v1/sources/"+source.ID, tenant.Key,
		map[string]any{"response": map[string]any{"status": 201, "body": "<Response/>", "content_type": "xml"}}).
		Want(t, 200)
	wantOwn := func(s Source, delivery string) { // another process may use a source as it read it 5 s ago
		t.Helper()
		await(t, "the source's own answer", func() Answer {
			return d.postRaw(t, s, delivery, []byte("{}")).Want(t, 200, 201, 202)
		}, func(a Answer) bool {
			return a.Status == 201 && string(a.Body) == "<Response/>" &&
				strings.HasPrefix(a.Header.Get("Content-Type"), "application/xml")
		})
	}
	wantOwn(source, "answered")

	old := source
	d.Must(t, "POST", "/v1/sources/"+source.ID+"/rotate-url", tenant.Key,
		map[string]any{"overlap_seconds": 600}).Want(t, 200).JSON(t, &source)
	source.Secret = old.Secret
	if old.URL == source.URL {
		t.Error("the source has the same address after its rotation")
	}
	wantOwn(old, "old")
	wantOwn(source, "new")
}
