package embed

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

// patience bounds every wait of these tests; a wait that ends by it is a failure.
const patience = 20 * time.Second

// chromium is the one browser process of this test binary, started by the first test that needs it.
type chromium struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
}

var browser chromium

func TestMain(m *testing.M) {
	code := m.Run()
	if browser.close != nil {
		browser.close()
	}
	os.Exit(code)
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
		) // and a fresh user data directory, which the allocator makes and removes
		alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, cancel := chromedp.NewContext(alloc)
		b.close = func() { cancel(); stop() }
		b.ctx, b.err = ctx, chromedp.Do(ctx)
	})
	return b.ctx, b.err
}

// page is one tab. Its methods fail the test they belong to.
type page struct {
	t   *testing.T
	ctx context.Context
}

// newPage opens a tab on url. Without a browser on the machine the test is skipped, and under CI=true it fails.
func newPage(t *testing.T, url string) *page {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed, and CI may not skip")
		}
		t.Skip("chromium is not installed")
	}
	parent, err := browser.start(path)
	if err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	p := &page{t, ctx}
	p.do(chromedp.Navigate(url))
	return p
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx); err != nil { // the tab lives as long as p.ctx
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// run evaluates a script and drops its result.
func (p *page) run(script string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void]("{" + script + "}"))
}

// wait returns when the expression is truthy.
func (p *page) wait(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience+5*time.Second)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[chromedp.Void](expression,
		chromedp.WithPollingInterval(5*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		p.t.Fatalf("waiting for %s: %v\nstates %s\nevents %s\nerrors %s", expression, err,
			get(p, "states"), get(p, "events"), get(p, "errors"))
	}
}

// get returns the JSON of an expression's value; a promise is awaited.
func get(p *page, expression string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		fmt.Sprintf("(async () => JSON.stringify(await (%s)) || 'undefined')()", expression), chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// want compares an expression's value with a Go value, as JSON.
func (p *page) want(expression string, want any) {
	p.t.Helper()
	b, err := json.Marshal(want)
	if err != nil {
		p.t.Fatal(err)
	}
	text := get(p, expression)
	var got any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		p.t.Fatalf("%s is %s", expression, text)
	}
	if sorted, err := json.Marshal(got); err != nil || !bytes.Equal(sorted, b) {
		p.t.Fatalf("%s is %s, want %s", expression, text, b)
	}
}

// reload is the browser's reload button.
var reload = chromedp.Reload()

// evaluate runs a script whose declarations stay.
func evaluate(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](script)
}
