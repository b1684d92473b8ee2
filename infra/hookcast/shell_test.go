package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// Requested output goes to stdout, where it can be piped; an error is one line on stderr.
func TestHelpIsOutputAndAMistakeIsOneLine(t *testing.T) {
	for _, c := range commands() {
		for _, line := range [][]string{{c.name, "-h"}, {c.name, "--help"}, {"help", c.name}} {
			d := newMachine(t)
			d.runs(t, 0, line...)
			if out := d.out.String(); !strings.Contains(out, c.does) || !strings.Contains(out, c.example) ||
				strings.Contains(out, "-profile") != c.needsKey || d.err.String() != "" {
				t.Errorf("%v printed %q and %q on stderr, want the usage on stdout alone", line, out, d.err)
			}
		}
		d := newMachine(t)
		d.runs(t, exitUsage, c.name, "--colour")
		if said := d.err.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "-colour") ||
			!strings.Contains(said, "hookcast "+c.name+" -h") || d.out.String() != "" {
			t.Errorf("%s --colour printed %q and %q on stdout, want one line on stderr", c.name, said, d.out)
		}
	}
	d := newMachine(t)
	d.runs(t, 0, "--help")
	if out := d.out.String(); strings.Count(out, "\n") < len(commands()) || d.err.String() != "" {
		t.Errorf("--help printed %q and %q on stderr, want all commands on stdout", out, d.err)
	}
	d.runs(t, exitUsage, "listn")
	if said := d.err.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, `"listn"`) {
		t.Errorf("listn printed %q, want one line that names it", said)
	}
}

// Ctrl-C ends a command that waits for input at the terminal.
func TestACommandThatReadsStandardInputCanBeStopped(t *testing.T) {
	for _, line := range []string{"login", "publish a", "publish a -", "sign -provider github"} {
		d := newMachine(t)
		d.vars = map[string]string{envKey: testKey(), envAPI: "http://localhost:1", envSecret: "a long secret"}
		typed, never := io.Pipe()
		d.stdin = typed
		t.Cleanup(func() { never.Close() })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if code := d.run(ctx, strings.Fields(line)); code != exitFailed ||
			!strings.Contains(d.err.String(), "nothing was done") {
			t.Errorf("%s exited with %d and printed %q, want %d and that nothing was done", line, code, d.err,
				exitFailed)
		}
	}
}

// A payload that cannot be sent unchanged is refused.
func TestAPayloadIsNeitherCutNorAltered(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(s.Close)
	for name, c := range map[string]struct {
		line, stdin, says string
	}{
		"bytes as text":        {"publish -text a", "\xff\x00", "not valid UTF-8"},
		"bytes as JSON":        {"publish a", "\xff\x00", "not valid JSON"},
		"nothing":              {"publish a", " \n", "is empty"},
		"too large to publish": {"publish -text a", strings.Repeat("x", maxPublish+1), "larger than 1 MiB"},
		"too large to sign":    {"sign -provider github", strings.Repeat("x", maxSign+1), "larger than 32 MiB"},
		"a missing file":       {"sign -provider github none.json", "", "cannot read the body"},
		"an invalid secret": {"sign -provider standard-webhooks", "{}",
			"signing secret is not valid for Standard Webhooks"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newMachine(t)
			d.vars = map[string]string{envKey: testKey(), envAPI: s.URL, envSecret: "canary!"}
			d.stdin = strings.NewReader(c.stdin)
			d.runs(t, exitUsage, strings.Fields(c.line)...)
			if said := d.err.String(); !strings.Contains(said, c.says) || strings.Contains(said, "canary") ||
				d.out.String() != "" || asked > 0 {
				t.Errorf("printed %q and %q on stdout and sent %d requests, want %q on stderr and no request",
					said, d.out, asked, c.says)
			}
		})
	}
}

// A line to paste contains nothing that a terminal would act on.
func TestNoLineToPasteForWhatCannotBePasted(t *testing.T) {
	for name, body := range map[string]string{"an escape": "{\"a\":\"\x1b[2J\"}", "bytes": "\xff", "a zero": "\x00",
		"too long": strings.Repeat("x", maxArgument+1)} {
		d := newMachine(t)
		d.vars = map[string]string{envSecret: "a long secret"}
		d.stdin = strings.NewReader(body)
		d.runs(t, 0, "sign", "-provider", "github")
		if said := d.out.String(); strings.Contains(said, "curl -") ||
			!strings.Contains(said, "X-Hub-Signature-256: sha256=") || strings.ContainsAny(said, "\x1b\x00") ||
			!utf8.ValidString(said) {
			t.Errorf("with %s sign printed %q, want the headers and no curl command", name, said)
		}
	}
}

func TestProfilesKeepSeveralKeys(t *testing.T) {
	one, oneKeys := tenantServer(t)
	two, twoKeys := tenantServer(t)
	d, first, second := newMachine(t), testKey(), testKey()
	login := func(exit int, key string, args ...string) {
		t.Helper()
		d.stdin = strings.NewReader(key)
		d.runs(t, exit, append([]string{"login"}, args...)...)
	}
	login(0, first, "-api", one.URL)
	login(0, second, "-api", two.URL, "-profile", "aws")
	used := func(want *[]string, key string) {
		t.Helper()
		if got := (*want)[len(*want)-1]; got != "Bearer "+key {
			t.Errorf("the server received %q, want the profile's key", got)
		}
	}
	asks := func(exit int, args ...string) *[]string { // returns the keys of the server that was asked
		t.Helper()
		before := len(*oneKeys)
		d.runs(t, exit, append([]string{"publish", "a", "1"}, args...)...)
		if len(*oneKeys) > before {
			return oneKeys
		}
		return twoKeys
	}
	keys := asks(0)
	used(keys, first)
	if keys != oneKeys {
		t.Error("without a profile it asked the second server")
	}
	if keys = asks(0, "-profile", "aws"); keys != twoKeys {
		t.Error("with a profile it asked the first server")
	}
	used(keys, second)
	d.vars[envProfile] = "aws"
	if keys = asks(0); keys != twoKeys {
		t.Error("with a profile in the environment it asked the first server")
	}
	d.vars[envKey] = first // conflicts with the profile
	asks(exitUsage)
	d.vars = map[string]string{}
	asks(exitUsage, "-profile", "../credentials")
	d.runs(t, exitRefused, "publish", "-profile", "none", "a", "1")
	if said := d.err.String(); !strings.Contains(said, "hookcast login -profile none") ||
		strings.Contains(said, first) || strings.Contains(said, second) {
		t.Errorf("printed %q, want the login command of the profile and no key", said)
	}
	// A key is shown only once, so login does not silently replace it by one of another deployment.
	login(exitUsage, second, "-api", two.URL)
	if keys = asks(0); keys != oneKeys {
		t.Error("a refused login replaced the saved key")
	}
	login(0, second, "-api", one.URL) // rotated
	login(0, second, "-api", two.URL, "-replace")
	if keys = asks(0); keys != twoKeys {
		t.Error("login -replace did not replace the saved key")
	}
	wantPrivate(t, d.dir, "credentials.json", "credentials-aws.json")
}

// wantPrivate checks that only their owner can access the files.
func wantPrivate(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: got %v, %v, want mode 0600", name, info, err)
		}
	}
}

// A wrong address of the streams fails at login, not at a later tail.
func TestLoginChecksWhereTheStreamsAre(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/stream" {
			problem(404, "wrong_host", "this is the API's host")(w, r)
			return
		}
		io.WriteString(w, `{"id":"ten_1","name":"Acme"}`)
	}))
	t.Cleanup(api.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "{}")
	}))
	t.Cleanup(page.Close)
	stream, _ := tenantServer(t)
	for _, c := range []struct {
		stream, says string
		exit         int
	}{{"", "login -stream", exitFailed}, {page.URL, "is not Hookcast", exitUnreachable},
		{"http://127.0.0.1:1", "connection refused", exitUnreachable}, {stream.URL, "", 0}} {
		d := newMachine(t)
		d.stdin = strings.NewReader(testKey())
		d.runs(t, c.exit, "login", "-api", api.URL, "-stream", c.stream)
		if said := d.err.String(); !strings.Contains(said, c.says) || strings.Contains(said, "\n") != (c.exit != 0) {
			t.Errorf("with -stream %q login printed %q, want %q", c.stream, said, c.says)
		}
		if _, err := os.Stat(filepath.Join(d.dir, "credentials.json")); (err == nil) != (c.exit == 0) {
			t.Errorf("with -stream %q the credentials file: %v, want a file only after success", c.stream, err)
		}
	}
}

func TestAKeyWithoutAPlaceSaysWhatIsMissing(t *testing.T) {
	d := newMachine(t)
	d.vars = map[string]string{envKey: testKey()}
	d.runs(t, exitUsage, "tail", "a")
	if said := d.err.String(); !strings.Contains(said, "set "+envAPI) {
		t.Errorf("printed %q, want advice to set %s", said, envAPI)
	}
}

// The output shows the status of a program's response and the first line of an error, made safe for a terminal.
func TestWhatAProgramAnswersIsShown(t *testing.T) {
	long := strings.Repeat("x", 10*maxExcerpt)
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		says, not string
	}{
		"well": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "received")
		}, "200 OK in ", "received"},
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "\n no such secret\x1b[31m\ntrace", http.StatusUnauthorized)
		}, ": no such secret<U+001B>[31m", "trace"},
		"a long error": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, long, http.StatusInternalServerError)
		}, ": " + long[:maxExcerpt], long[:maxExcerpt+1]},
		"a redirect": {http.RedirectHandler("/else", http.StatusFound).ServeHTTP,
			"redirects are not followed: forward to /else", ""},
		"no answer": {func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, "no response within 100ms (-timeout", ""},
		"cut": {func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, "not delivered: the connection was cut", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // so that the server notices when the client leaves
				c.answer(w, r)
			}))
			p.Start()
			t.Cleanup(p.Close)
			d := newMachine(t)
			timeout := "1m"
			if name == "no answer" {
				timeout = "100ms"
			}
			events := `{"id":"evt_1","channel":"a","seq":1,"data_base64":"MQ=="}`
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/stream" {
					io.WriteString(w, `{"id":"ten_1","name":"Acme"}`)
					return
				}
				streams(false, opening, "id: 1\ndata: "+events+"\n\n",
					"event: hookcast.ended\nid: !stop\ndata: {\"channel\":\"a\"}\n\n")(w, r)
			}))
			t.Cleanup(s.Close)
			d.vars = map[string]string{envKey: testKey(), envAPI: s.URL}
			d.runs(t, 0, "listen", "-timeout", timeout, "-forward", p.URL, "a")
			said := d.out.String()
			if !strings.Contains(said, c.says) || c.not != "" && strings.Contains(said, c.not) ||
				strings.Count(said, "\n") != 1 {
				t.Errorf("printed %q, want one line with %q and without %q", said, c.says, c.not)
			}
			advised := strings.Contains(d.err.String(), "/replay sends one again")
			if advised != strings.Contains(said, "not delivered") {
				t.Errorf("got advice %q after %q", d.err, said)
			}
		})
	}
}
