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

// What was asked for goes where it can be piped; what is wrong is one line beside it.
func TestHelpIsOutputAndAMistakeIsOneLine(t *testing.T) {
	for _, c := range commands() {
		for _, line := range [][]string{{c.name, "-h"}, {c.name, "--help"}, {"help", c.name}} {
			d := newDesk(t)
			d.runs(t, 0, line...)
			if out := d.out.String(); !strings.Contains(out, c.does) || !strings.Contains(out, c.example) || strings.Contains(out, "-profile") != c.asks || d.err.String() != "" {
				t.Errorf("%v says %q and %q", line, out, d.err)
			}
		}
		d := newDesk(t)
		d.runs(t, exitUsage, c.name, "--colour")
		if said := d.err.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "-colour") || !strings.Contains(said, "hookcast "+c.name+" -h") || d.out.String() != "" {
			t.Errorf("%s --colour says %q and %q", c.name, said, d.out)
		}
	}
	d := newDesk(t)
	d.runs(t, 0, "--help")
	if out := d.out.String(); strings.Count(out, "\n") < len(commands()) || d.err.String() != "" {
		t.Errorf("says %q and %q", out, d.err)
	}
	d.runs(t, exitUsage, "listn")
	if said := d.err.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, `"listn"`) {
		t.Errorf("says %q", said)
	}
}

// Ctrl-C ends a command that waits for somebody to type.
func TestACommandThatReadsStandardInputCanBeStopped(t *testing.T) {
	for _, line := range []string{"login", "publish a", "publish a -", "sign -provider github"} {
		d := newDesk(t)
		d.vars = map[string]string{envKey: testKey(), envAPI: "http://localhost:1", envSecret: "a long secret"}
		typed, never := io.Pipe()
		d.stdin = typed
		t.Cleanup(func() { never.Close() })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if code := d.run(ctx, strings.Fields(line)); code != exitFailed || !strings.Contains(d.err.String(), "nothing was done") {
			t.Errorf("%s exits with %d and says %q", line, code, d.err)
		}
	}
}

// What cannot be sent as it is, is not sent as something else.
func TestAPayloadIsNeitherCutNorAltered(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(s.Close)
	for name, c := range map[string]struct {
		line, stdin, says string
	}{
		"bytes as text":         {"publish -text a", "\xff\x00", "no text in UTF-8"},
		"bytes as JSON":         {"publish a", "\xff\x00", "no JSON"},
		"nothing":               {"publish a", " \n", "is empty"},
		"more than it may":      {"publish -text a", strings.Repeat("x", maxPublish+1), "more than 1 MiB"},
		"too much to sign":      {"sign -provider github", strings.Repeat("x", maxSign+1), "more than 32 MiB"},
		"a file of nobody":      {"sign -provider github none.json", "", "cannot be read"},
		"a secret that is none": {"sign -provider standard-webhooks", "{}", "signing secret is none of Standard Webhooks"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.vars = map[string]string{envKey: testKey(), envAPI: s.URL, envSecret: "canary!"}
			d.stdin = strings.NewReader(c.stdin)
			d.runs(t, exitUsage, strings.Fields(c.line)...)
			if said := d.err.String(); !strings.Contains(said, c.says) || strings.Contains(said, "canary") || d.out.String() != "" || asked > 0 {
				t.Errorf("says %q and %q, asks %d times", said, d.out, asked)
			}
		})
	}
}

// A line to paste holds nothing that a terminal would act upon.
func TestNoLineToPasteForWhatCannotBePasted(t *testing.T) {
	for name, body := range map[string]string{"an escape": "{\"a\":\"\x1b[2J\"}", "bytes": "\xff", "a zero": "\x00", "too long": strings.Repeat("x", maxArgument+1)} {
		d := newDesk(t)
		d.vars = map[string]string{envSecret: "a long secret"}
		d.stdin = strings.NewReader(body)
		d.runs(t, 0, "sign", "-provider", "github")
		if said := d.out.String(); strings.Contains(said, "curl -") || !strings.Contains(said, "X-Hub-Signature-256: sha256=") || strings.ContainsAny(said, "\x1b\x00") || !utf8.ValidString(said) {
			t.Errorf("%s: %q", name, said)
		}
	}
}

func TestProfilesKeepSeveralKeys(t *testing.T) {
	one, oneKeys := tenantServer(t)
	two, twoKeys := tenantServer(t)
	d, first, second := newDesk(t), testKey(), testKey()
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
			t.Error("another key is sent")
		}
	}
	asks := func(exit int, args ...string) (*[]string, int) { // which server was asked
		t.Helper()
		before := len(*oneKeys)
		d.runs(t, exit, append([]string{"publish", "a", "1"}, args...)...)
		if len(*oneKeys) > before {
			return oneKeys, len(*oneKeys)
		}
		return twoKeys, len(*twoKeys)
	}
	keys, _ := asks(0)
	used(keys, first)
	if keys != oneKeys {
		t.Error("without a profile it asks the second")
	}
	if keys, _ = asks(0, "-profile", "aws"); keys != twoKeys {
		t.Error("with a profile it asks the first")
	}
	used(keys, second)
	d.vars[envProfile] = "aws"
	if keys, _ = asks(0); keys != twoKeys {
		t.Error("with a profile in the environment it asks the first")
	}
	d.vars[envKey] = first // which of both is meant?
	asks(exitUsage)
	d.vars = map[string]string{}
	asks(exitUsage, "-profile", "../credentials")
	d.runs(t, exitRefused, "publish", "-profile", "none", "a", "1")
	if said := d.err.String(); !strings.Contains(said, "hookcast login -profile none") || strings.Contains(said, first) || strings.Contains(said, second) {
		t.Errorf("says %q", said)
	}
	// A key is shown once: another deployment's does not take its place by the way.
	login(exitUsage, second, "-api", two.URL)
	if keys, _ = asks(0); keys != oneKeys {
		t.Error("the kept key is gone")
	}
	login(0, second, "-api", one.URL) // rotated
	login(0, second, "-api", two.URL, "-replace")
	if keys, _ = asks(0); keys != twoKeys {
		t.Error("the kept key is still there")
	}
	for _, name := range []string{"credentials.json", "credentials-aws.json"} {
		if info, err := os.Stat(filepath.Join(d.dir, name)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where the streams have a host of their own, login says so and not a later tail.
func TestLoginChecksWhereTheStreamsAre(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/stream" {
			problem(404, "wrong_host", "this is the API's host")(w, r)
			return
		}
		io.WriteString(w, `{"id":"ten_1","name":"Acme"}`)
	}))
	t.Cleanup(api.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }))
	t.Cleanup(page.Close)
	stream, _ := tenantServer(t)
	for _, c := range []struct {
		stream, says string
		exit         int
	}{{"", "login -stream", exitFailed}, {page.URL, "is no Hookcast", exitUnreachable}, {"http://127.0.0.1:1", "connection refused", exitUnreachable}, {stream.URL, "", 0}} {
		d := newDesk(t)
		d.stdin = strings.NewReader(testKey())
		d.runs(t, c.exit, "login", "-api", api.URL, "-stream", c.stream)
		if said := d.err.String(); !strings.Contains(said, c.says) || strings.Contains(said, "\n") != (c.exit != 0) {
			t.Errorf("with %s it says %q", c.stream, said)
		}
		if _, err := os.Stat(filepath.Join(d.dir, "credentials.json")); (err == nil) != (c.exit == 0) {
			t.Errorf("with %s: %v", c.stream, err)
		}
	}
}

func TestAKeyWithoutAPlaceSaysWhatIsMissing(t *testing.T) {
	d := newDesk(t)
	d.vars = map[string]string{envKey: testKey()}
	d.runs(t, exitUsage, "tail", "a")
	if said := d.err.String(); !strings.Contains(said, "set "+envAPI) {
		t.Error(said)
	}
}

// What a program answers to an event is shown as far as it says what is wrong, and as a terminal may have it.
func TestWhatAProgramAnswersIsShown(t *testing.T) {
	long := strings.Repeat("x", 10*maxExcerpt)
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		says, not string
	}{
		"well": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "received") }, "200 OK in ", "received"},
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "\n no such secret\x1b[31m\ntrace", http.StatusUnauthorized)
		}, ": no such secret<U+001B>[31m", "trace"},
		"a long error": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, long, http.StatusInternalServerError) }, ": " + long[:maxExcerpt], long[:maxExcerpt+1]},
		"sent on":      {http.RedirectHandler("/else", http.StatusFound).ServeHTTP, "it sends on to /else, which is not followed", ""},
		"no answer":    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 100ms (-timeout", ""},
		"cut":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "not delivered: the connection was cut", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // so that the client is seen to go
				c.answer(w, r)
			}))
			p.Start()
			t.Cleanup(p.Close)
			d := newDesk(t)
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
				streams(false, opening, "id: 1\ndata: "+events+"\n\n", "event: hookcast.ended\nid: !stop\ndata: {\"channel\":\"a\"}\n\n")(w, r)
			}))
			t.Cleanup(s.Close)
			d.vars = map[string]string{envKey: testKey(), envAPI: s.URL}
			d.runs(t, 0, "listen", "-timeout", timeout, "-forward", p.URL, "a")
			said := d.out.String()
			if !strings.Contains(said, c.says) || c.not != "" && strings.Contains(said, c.not) || strings.Count(said, "\n") != 1 {
				t.Errorf("says %q", said)
			}
			if advised := strings.Contains(d.err.String(), "/replay has it come once more"); advised != strings.Contains(said, "not delivered") {
				t.Errorf("advises %q", d.err)
			}
		})
	}
}
