package main

import (
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/infra/endtoend/browser"
	"github.com/hookcast/hookcast/streamer/peers"
)

//go:embed testdata/job.html
var jobPage string

// jobSite is a tenant's own site on another origin: its page, and the resource from which the page gets its job.
func jobSite(t *testing.T, hookcast string, job endtoend.Job) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' "+hookcast+
				"; connect-src 'self' "+hookcast)
		io.WriteString(w, strings.ReplaceAll(jobPage, "HOOKCAST", hookcast))
	})
	mux.HandleFunc("GET /exports/42", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"channel": job.Channel, "token": job.Token})
	})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site.URL + "/"
}

// HOOKCAST_JOB_SCREENSHOT names a file for a screenshot of the page in the middle of the work.
func TestJobPageMovesKeepsItsPlaceAndEndsOnce(t *testing.T) {
	t.Parallel()
	p := start(t, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"))
	tenant := p.Signup(t, "exports")
	job := p.Job(t, tenant, map[string]any{"name": "Export of 2026"})
	page := jobSite(t, "http://"+p.addr, job)
	first := browser.NewPage(t, page)
	first.Wait(`bar.getAttribute("aria-valuenow") === "0"`)
	first.Want(`[bar.getAttribute("role"), bar.getAttribute("aria-label"), bar.getAttribute("state")]`,
		[]string{"progressbar", "Export of 2026", "running"})

	job.Report(t, p.Deployment, map[string]any{"percent": 40, "step": "<i>rows</i>", "message": "4 of 10 files",
		"lines": []string{"2026-01.csv: 118,204 rows", "2026-02.csv: 97,530 rows", "<img src=x onerror=alert(1)>"}})
	first.Wait(`bar.getAttribute("aria-valuenow") === "40" && log.textContent.includes("onerror")`)
	first.Want(
		`[bar.getAttribute("aria-valuetext"), bar.shadowRoot.querySelector("[part=bar]").style.width,
			bar.shadowRoot.querySelectorAll("i, img").length]`,
		[]any{"40%, <i>rows</i>: 4 of 10 files", "40%", 0})
	first.Want(`errors`, []string{})

	// The bar never moves back to a lower percentage; the next message shows that the report arrived.
	job.Report(t, p.Deployment, map[string]any{"percent": 10, "step": "rows", "message": "5 of 10 files",
		"lines": []string{"2026-03.csv: 131,877 rows"}})
	first.Wait(`bar.getAttribute("aria-valuetext") === "40%, rows: 5 of 10 files"`)
	job.Report(t, p.Deployment, map[string]any{"percent": 62.5, "message": "6 of 10 files",
		"lines": []string{"2026-04.csv: 102,311 rows"}})
	first.Wait(`bar.getAttribute("aria-valuenow") === "62.5" && log.textContent.includes("2026-04")`)
	if path := os.Getenv("HOOKCAST_JOB_SCREENSHOT"); path != "" {
		first.Run(`log.textContent = log.textContent.replace(/^<img.*\n/m, "")`)
		first.Get(
			`Promise.all(bar.shadowRoot.querySelector("[part=bar]").getAnimations()
			.map((a) => a.finished)).then(() => 0)`)
		if err := os.WriteFile(path, first.Screenshot(800, 480), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	first.Reload()
	first.Wait(`bar.getAttribute("aria-valuenow") === "62.5"`)
	second := browser.NewPage(t, page)
	second.Wait(`bar.getAttribute("aria-valuenow") === "62.5"`)
	second.Want(`[seen[0], bar.getAttribute("aria-valuetext")]`, []any{62.5, "62.5%, rows: 6 of 10 files"})
	second.Run(`promise()`)
	second.Wait(`promised.length === 1`)

	job.Report(t, p.Deployment, map[string]any{"result": map[string]string{"file": "2026.zip"}})
	for _, tab := range []*browser.Page{first, second} {
		tab.Wait(`bar.getAttribute("state") === "completed" && ends.length > 0`)
		tab.Want(`[bar.getAttribute("aria-valuenow"), document.querySelector("#end").textContent, ends]`,
			[]any{"100", "Ready: 2026.zip", []any{map[string]string{"file": "2026.zip"}}})
	}
	second.Wait(`promised.length === 3`)
	second.Want(`promised`, []any{62.5, 100, map[string]string{"file": "2026.zip"}})

	wantEndAfterReload(t, p, tenant, first)
}

// wantEndAfterReload wants a page that opens after the end to get it once.
func wantEndAfterReload(t *testing.T, p *process, tenant endtoend.Tenant, first *browser.Page) {
	t.Helper()
	// It is answered 204 from then on: no connection remains.
	first.Reload()
	first.Wait(`ends.length > 0`)
	first.Want(`[ends.length, seen]`, []any{1, []int{100}})
	for left := -1; left != 0; {
		if left = len(p.Connections(t, tenant)); t.Context().Err() != nil {
			t.Fatal("the page's connections do not end")
		}
	}
	first.Want(`[ends.length, errors]`, []any{1, []string{}})
}

func TestJobPageSaysWhyThereIsNoResult(t *testing.T) {
	t.Parallel()
	p := start(t, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"))
	tenant := p.Signup(t, "exports")
	failed := p.Job(t, tenant, nil)
	page := browser.NewPage(t, jobSite(t, "http://"+p.addr, failed))
	page.Wait(`bar.getAttribute("aria-valuenow") === "0"`)
	page.Run(`promise()`)
	failed.Report(t, p.Deployment,
		map[string]any{"error": map[string]string{"code": "no_rows", "message": "There is nothing to export."}})
	page.Wait(`ends.length > 0 && promised.includes("no_rows")`)
	page.Want(
		`[ends, bar.getAttribute("state"), bar.getAttribute("aria-valuetext"),
			document.querySelector("#end").textContent]`,
		[]any{[]string{"no_rows"}, "failed", "0%, There is nothing to export.", "There is nothing to export."})

	silent := p.Job(t, tenant, map[string]any{"timeout_seconds": 1})
	page = browser.NewPage(t, jobSite(t, "http://"+p.addr, silent))
	page.Wait(`ends.length > 0`)
	page.Want(`[ends, bar.getAttribute("state")]`, []any{[]string{"timed_out"}, "timed_out"})

	gone := failed
	gone.Token = "nonsense"
	page = browser.NewPage(t, jobSite(t, "http://"+p.addr, gone))
	page.Wait(`ends.length > 0`)
	page.Want(`[bar.getAttribute("state"), ends.length]`, []any{"failed", 1})
}
