// Package browser drives Chromium for tests: one process per test binary, one tab per test.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Patience bounds every wait of a test in a browser; a test whose wait takes longer fails.
const Patience = 20 * time.Second

// chromium is the one browser process of this test binary, started by the first test that needs it.
type chromium struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
}

var browser chromium

// Close ends the browser, if one was started. TestMain must call it, so that no process outlives the test binary.
func Close() {
	if browser.close != nil {
		browser.close()
	}
}

func (b *chromium) start(path string) (context.Context, error) {
	b.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path),
			chromedp.NoSandbox,
			chromedp.Flag("disable-gpu", true),
			chromedp.Flag("disable-quic", true),
			chromedp.Flag("disable-component-update", true),
			chromedp.Flag("no-proxy-server", true),
			chromedp.Flag("ignore-certificate-errors", true), // tests create their own
		) // and a new user data directory, which the allocator creates and removes
		alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, cancel := chromedp.NewContext(alloc)
		b.close = func() { cancel(); stop() }
		b.ctx, b.err = ctx, chromedp.Do(ctx)
	})
	return b.ctx, b.err
}

// Page is one tab. Its methods end the test on an error.
type Page struct {
	t   *testing.T
	ctx context.Context
}

// NewPage opens url in a new tab. Without a browser on the machine the test is skipped; with CI=true it fails instead.
func NewPage(t *testing.T, url string) *Page {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed, and CI must not skip this test")
		}
		t.Skip("chromium is not installed")
	}
	parent, err := browser.start(path)
	if err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	p := &Page{t, ctx}
	p.Do(chromedp.Navigate(url))
	return p
}

// Do runs steps in the tab.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx); err != nil { // the tab lives as long as p.ctx
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// Run evaluates a script and ignores its result.
func (p *Page) Run(script string) {
	p.t.Helper()
	p.Do(chromedp.Evaluate[chromedp.Void]("{" + script + "}"))
}

// For returns the same tab for use in a subtest.
func (p *Page) For(t *testing.T) *Page { return &Page{t, p.ctx} }

// pageState is the expression that describes a page after a wait failed: the globals of these names, and its text.
const pageState = `({
	states: globalThis.states, events: globalThis.events, errors: globalThis.errors,
	text: document.body && document.body.innerText,
})`

// Wait returns once the expression is truthy.
func (p *Page) Wait(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience+5*time.Second)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[chromedp.Void](expression,
		chromedp.WithPollingInterval(5*time.Millisecond), chromedp.WithPollingTimeout(Patience)))
	if err != nil {
		p.t.Fatalf("waiting for %s: %v\nthe page is %s", expression, err, p.Get(pageState))
	}
}

// Get returns the JSON of an expression's value; a promise is awaited.
func (p *Page) Get(expression string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		fmt.Sprintf("(async () => JSON.stringify(await (%s)) || 'undefined')()", expression),
		chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// Want compares an expression's value with a Go value, as JSON.
func (p *Page) Want(expression string, want any) {
	p.t.Helper()
	b, err := json.Marshal(want)
	if err != nil {
		p.t.Fatal(err)
	}
	text := p.Get(expression)
	var got any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		p.t.Fatalf("%s is %s", expression, text)
	}
	if sorted, err := json.Marshal(got); err != nil || !bytes.Equal(sorted, b) {
		p.t.Fatalf("%s is %s, want %s", expression, text, b)
	}
}

// Reload presses the browser's reload button.
func (p *Page) Reload() {
	p.t.Helper()
	p.Do(chromedp.Reload())
}

// Define evaluates a script and keeps its declarations.
func (p *Page) Define(script string) {
	p.t.Helper()
	p.Do(chromedp.Evaluate[chromedp.Void](script))
}

// Screenshot returns a PNG of the whole page in a window of that size, in CSS pixels.
func (p *Page) Screenshot(width, height int64) []byte {
	p.t.Helper()
	p.Do(chromedp.EmulateViewport(width, height))
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	return png
}
