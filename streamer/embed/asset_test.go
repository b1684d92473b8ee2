package embed

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// sizeLimit is the snippet's maximum gzipped size.
const sizeLimit = 6000

func TestScriptStaysUnderSixKilobytesGzipped(t *testing.T) {
	body, _ := ScriptGzip()
	if len(body) >= sizeLimit {
		t.Fatalf("embed.js is %d bytes gzipped, want under %d", len(body), sizeLimit)
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := Script(); !bytes.Equal(plain, want) {
		t.Fatal("what ScriptGzip holds is not embed.js")
	}
	t.Logf("embed.js: %d bytes, %d gzipped", len(plain), len(body))
}

func TestJobScriptStaysUnderThreeKilobytesGzipped(t *testing.T) {
	body, _ := JobScriptGzip()
	t.Logf("embed-job.js: %d bytes gzipped", len(body))
	if len(body) >= 3000 {
		t.Fatalf("embed-job.js is %d bytes gzipped", len(body))
	}
	rec := httptest.NewRecorder()
	Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/embed-job.js", nil))
	if want, etag := JobScript(); rec.Code != 200 || !bytes.Equal(rec.Body.Bytes(), want) ||
		rec.Header().Get("ETag") != etag {
		t.Fatalf("%d, %d bytes, ETag %s", rec.Code, rec.Body.Len(), rec.Header().Get("ETag"))
	}
}

func TestIntegrityIsTheSHA384OfWhatIsServed(t *testing.T) {
	rec := httptest.NewRecorder()
	Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/embed.js", nil))
	sum := sha512.Sum384(rec.Body.Bytes())
	if want := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); Integrity() != want {
		t.Fatalf("Integrity() = %s, want %s", Integrity(), want)
	}
}

func TestHandler(t *testing.T) {
	_, plain := Script()
	_, zip := ScriptGzip()
	for _, c := range []struct {
		name, method, path string
		header             [2]string
		status             int
		etag, encoding     string
		body               []byte
	}{
		{"script", "GET", "/embed.js", [2]string{}, 200, plain, "", script},
		{"gzip", "GET", "/embed.js", [2]string{"Accept-Encoding", "br, gzip;q=0.8"}, 200, zip, "gzip", zipped()},
		{"gzip refused", "GET", "/embed.js", [2]string{"Accept-Encoding", "gzip;q=0"}, 200, plain, "", script},
		{"head", "HEAD", "/embed.js", [2]string{}, 200, plain, "", nil},
		{"known already", "GET", "/embed.js", [2]string{"If-None-Match", plain}, 304, plain, "", nil},
		{"another version known", "GET", "/embed.js", [2]string{"If-None-Match", `"x"`}, 200, plain, "", script},
		{"no ranges", "GET", "/embed.js", [2]string{"Range", "bytes=0-3"}, 200, plain, "", script},
		{"types", "GET", "/embed.d.ts", [2]string{}, 200, tag(types, ""), "", types},
		{"post", "POST", "/embed.js", [2]string{}, 405, "", "", []byte("Method Not Allowed\n")},
		{"elsewhere", "GET", "/embed.js/x", [2]string{}, 404, "", "", []byte("404 page not found\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequest(c.method, c.path, nil)
			if c.header[0] != "" {
				req.Header.Set(c.header[0], c.header[1])
			}
			rec := httptest.NewRecorder()
			Handler().ServeHTTP(rec, req)
			if rec.Code != c.status || rec.Header().Get("ETag") != c.etag ||
				rec.Header().Get("Content-Encoding") != c.encoding {
				t.Fatalf("status %d, ETag %s, Content-Encoding %q; want %d, %s, %q", rec.Code,
					rec.Header().Get("ETag"), rec.Header().Get("Content-Encoding"), c.status, c.etag, c.encoding)
			}
			if !bytes.Equal(rec.Body.Bytes(), c.body) {
				t.Fatalf("body of %d bytes, want %d", rec.Body.Len(), len(c.body))
			}
		})
	}
}

func TestHeadersLetOtherOriginsLoadTheScript(t *testing.T) {
	rec := httptest.NewRecorder()
	Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/embed.js", nil))
	for name, want := range map[string]string{
		"Content-Type":                 "text/javascript; charset=utf-8",
		"X-Content-Type-Options":       "nosniff",
		"Access-Control-Allow-Origin":  "*",
		"Cross-Origin-Resource-Policy": "cross-origin",
		"Cache-Control":                "public, max-age=300, must-revalidate",
		"Vary":                         "Accept-Encoding",
	} {
		if got := rec.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestVersionIsTheSameEverywhere(t *testing.T) {
	for _, want := range []string{"Hookcast embed " + Version + " ", "version: '" + Version + "'"} {
		if !bytes.Contains(script, []byte(want)) {
			t.Errorf("embed.js does not say %q", want)
		}
	}
}

// The snippet runs without a build step in every browser with ES2018 and under a strict Content-Security-Policy.
func TestScriptHoldsToItsSyntaxAndItsSafety(t *testing.T) {
	comments := regexp.MustCompile(`(?m)/\*(?s:.*?)\*/|(^|\s)//.*$`)
	for name, js := range map[string][]byte{"embed.js": script, "embed-job.js": jobScript} {
		holdsToItsSyntaxAndItsSafety(t, name, comments.ReplaceAllString(string(js), ""))
	}
}

func holdsToItsSyntaxAndItsSafety(t *testing.T, name, code string) {
	for what, re := range map[string]string{
		"optional chaining (ES2020)":        `\?\.[a-zA-Z(\[]`,
		"nullish coalescing (ES2020)":       `\?\?`,
		"catch without a binding (ES2019)":  `catch\s*\{`,
		"globalThis (ES2020)":               `globalThis`,
		"flat, fromEntries (ES2019)":        `\.flat(Map)?\(|fromEntries`,
		"replaceAll (ES2021)":               `replaceAll`,
		"eval or a function out of text":    `\beval\b|new Function|setTimeout\(['"]`,
		"markup out of text":                `innerHTML|outerHTML|insertAdjacentHTML|document\.write`,
		"a header that costs a preflight":   `['"]Last-Event-ID['"]`,
		"cookies sent along":                `credentials: 'include'|withCredentials`,
		"console output on the host's page": `console\.`,
	} {
		if hit := regexp.MustCompile(re).FindString(code); hit != "" {
			t.Errorf("%s has %s: %q", name, what, hit)
		}
	}
	if !strings.Contains(code, "'use strict'") {
		t.Error(name + " is not strict")
	}
}

// Every public name of embed.js is in embed.d.ts, and the types declare no others.
func TestTypesNameEveryPublicMember(t *testing.T) {
	names := map[string]bool{}
	collect := func(re string, text []byte) (found []string) {
		for _, m := range regexp.MustCompile(re).FindAllSubmatch(text, -1) {
			found = append(found, string(m[1]))
			names[string(m[1])] = true
		}
		return found
	}
	section := func(from, to string) []byte {
		_, rest, ok := bytes.Cut(source, []byte(from))
		part, _, ok2 := bytes.Cut(rest, []byte(to))
		if !ok || !ok2 {
			t.Fatalf("embed.js has no part between %q and %q", from, to)
		}
		return part
	}
	options := collect(`\bo\.(\w+)`, source)
	members := collect(`(?m)^      (?:get )?(\w+)\(`, section("const self = {", "\n    };"))
	timings := collect(`\b(\w+): \d`, section("const TIMINGS = {", "\n  };"))
	attributes := collect(`\bd\.(\w+)`, section("const d = script", "})(self)"))
	if len(options) < 8 || len(members) != 7 || len(timings) != 9 || len(attributes) < 7 {
		t.Fatalf("the scan of embed.js found options %v, members %v, timings %v, attributes %v", options, members,
			timings, attributes)
	}
	kebab := regexp.MustCompile(`[A-Z]`)
	for name := range names {
		data := "data-" + strings.ToLower(kebab.ReplaceAllString(name, "-$0"))
		if !regexp.MustCompile(`\b`+name+`\??[:(]`).Match(types) && !bytes.Contains(types, []byte(data)) {
			t.Errorf("embed.d.ts does not name %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`data-[a-z-]*[a-z]`).FindAll(types, -1) {
		if name := attribute(string(m)); !bytes.Contains(source, []byte("d."+name)) {
			t.Errorf("embed.d.ts promises %s, which embed.js does not read", m)
		}
	}
	for _, m := range regexp.MustCompile(`'(hookcast\.\w+)'`).FindAllSubmatch(types, -1) {
		if name := strings.TrimPrefix(string(m[1]), "hookcast."); !bytes.Contains(source, []byte(name)) {
			t.Errorf("embed.d.ts promises %s, which embed.js does not know", m[1])
		}
	}
}

// attribute turns data-token-url into tokenUrl, as HTMLElement.dataset does.
func attribute(name string) string {
	parts := strings.Split(strings.TrimPrefix(name, "data-"), "-")
	for i, p := range parts[1:] {
		parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}

func TestLeanLeavesCodeAsItIs(t *testing.T) {
	for in, want := range map[string]string{
		`/* notice */` + "\n\n  a = 'http://x'; // said\n    // all of it\n" + `  b = "// no"` + "\n": `/* notice */` +
			"\na = 'http://x';\n" + `b = "// no"` + "\n",
		"  x = y // it's kept, since it has a quote\n": "x = y // it's kept, since it has a quote\n",
	} {
		if got := string(lean([]byte(in))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if body, _ := Script(); !bytes.HasPrefix(body, []byte("/* Hookcast embed")) ||
		bytes.Count(body, []byte("\n")) < 300 {
		t.Errorf("%d lines: %.100q", bytes.Count(body, []byte("\n")), body)
	}
}
