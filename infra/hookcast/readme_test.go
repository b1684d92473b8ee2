package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
)

const guidePage = "../../.github/guide/commandline.md"

// shownLine is a command in the guide, and the output that the guide shows for it.
type shownLine struct {
	command string
	prints  []string
}

// readmeLines returns the commands of the guide's page on the command line: the lines of its console blocks that begin
// with "$ ". A command that ends with a backslash goes on in the next line.
func readmeLines(t *testing.T) (lines []shownLine) {
	t.Helper()
	b, err := os.ReadFile(guidePage)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		continued := false
		for line := range strings.Lines(block[1]) {
			line = strings.TrimRight(line, "\n")
			command, begins := strings.CutPrefix(line, "$ ")
			switch {
			case continued:
				lines[len(lines)-1].command += "\n" + line
			case begins:
				lines = append(lines, shownLine{command: command})
			case len(lines) == 0:
				t.Fatalf("%s shows the output %q before any command", guidePage, line)
			default:
				last := &lines[len(lines)-1]
				last.prints = append(last.prints, line)
			}
			continued = (begins || continued) && strings.HasSuffix(line, `\`)
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s has no commands", guidePage)
	}
	return lines
}

// looksLike matches a line that differs from the shown one only in ids, times and durations.
func looksLike(line string) *regexp.Regexp {
	p := regexp.QuoteMeta(line)
	for _, c := range [][2]string{{`\d\d:\d\d:\d\d`, `\d\d:\d\d:\d\d`}, {`\\\.\d{3} `, `\.\d{3} `},
		{`evt_…`, `evt_[0-9a-z]{26}`}, {`in 3ms`, `in [0-9.]+m?s`}, {`1 listening`, `\d+ listening`}} {
		p = regexp.MustCompile(c[0]).ReplaceAllLiteralString(p, c[1])
	}
	return regexp.MustCompile(`(?m)^` + p + `\s*`)
}

// running is a started command of the guide.
type running struct {
	shownLine
	cmd  *exec.Cmd
	out  *output
	over chan error // receives the result of the command once
}

// start runs text, the line's command with this box's values, in dir. "go" commands run in the repository.
func (line shownLine) start(t *testing.T, replace *strings.Replacer, text, dir, settings, key string) running {
	t.Helper()
	r := running{shownLine: line, out: newOutput(), over: make(chan error, 1)}
	for i, output := range r.prints {
		r.prints[i] = replace.Replace(output)
	}
	text = strings.Replace(text, "go build -o hookcast", "go build -o "+filepath.Join(dir, "hookcast"), 1)
	r.cmd = exec.Command("sh", "-c", "exec env "+text)
	r.cmd.Dir = dir
	if strings.HasPrefix(text, "go ") {
		r.cmd.Dir = filepath.Join("..", "..")
	}
	r.cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+settings)
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = strings.NewReader(key+"\n"), r.out, r.out
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.over <- r.cmd.Wait() }()
	t.Cleanup(func() { r.cmd.Process.Kill() })
	return r
}

// TestReadmesLinesWorkAsPasted runs the guide's commands in their order, with the addresses and ids of this box.
func TestReadmesLinesWorkAsPasted(t *testing.T) {
	b, p := startBox(t), endtoend.NewProgram(t, 200)
	s := b.source(t, "github", "github.{repository.name}")
	b.publish(t, "orders.42", "order.paid", `{"total":42}`)
	dir, settings := t.TempDir(), t.TempDir()
	const body = `{"repository":{"name":"shop"}}`
	if err := os.WriteFile(filepath.Join(dir, "body.json"), []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	var stay []running
	event := "evt_…"
	replace := strings.NewReplacer("http://localhost:8080/in/…", s.URL, "http://localhost:8080", b.API,
		"http://localhost:3000/webhooks", p.URL, "src_…", s.ID, "the secret you typed at GitHub", s.Secret)
	for _, line := range readmeLines(t) {
		text := replace.Replace(line.command)
		if strings.Contains(text, " trace ") {
			text = strings.ReplaceAll(text, "evt_…", event)
		}
		r := line.start(t, replace, text, dir, settings, b.tenant.Key)
		if strings.Contains(text, " listen ") || strings.Contains(text, " tail ") {
			r.out.await(t, ": connected to orders.42", 1)
			stay = append(stay, r)
			continue
		}
		if err := <-r.over; err != nil {
			t.Fatalf("%s: %v\n%s", line.command, err, r.out)
		}
		for _, want := range r.prints {
			if !looksLike(want).MatchString(r.out.String()) {
				t.Errorf("%s\nprinted\n%s\nwant a line like the guide's\n%s", line.command, r.out, want)
			}
		}
		if id := regexp.MustCompile(`evt_[0-9a-z]{26}`).FindString(r.out.String()); id != "" {
			event = id
			awaitAppended(t, b, id)
		}
		if strings.Contains(text, " sign ") {
			_, curl, _ := strings.Cut(r.out.String(), "\n\n")
			if out := pasted(t, "cd "+dir+"\n"+curl); !strings.Contains(out, `"channel":"github.shop"`) {
				t.Errorf("the response to the signed webhook is %s, want the channel github.shop", out)
			}
		}
	}
	if len(stay) != 2 {
		t.Fatalf("%d commands keep running, want 2: listen and tail", len(stay))
	}
	for _, r := range stay {
		for _, want := range r.prints {
			for deadline := time.Now().Add(time.Minute); !looksLike(want).MatchString(r.out.String()); {
				time.Sleep(10 * time.Millisecond)
				if time.Now().After(deadline) {
					t.Fatalf("%s\nprinted\n%s\nwant a line like the guide's\n%s", r.command, r.out, want)
				}
			}
		}
		r.cmd.Process.Signal(os.Interrupt)
		if err := <-r.over; err != nil {
			t.Errorf("%s ended with %v, want exit code 0", r.command, err)
		}
	}
}

// awaitAppended waits until an accepted event is in its channel.
func awaitAppended(t *testing.T, b *box, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		var a endtoend.Answer
		var err error
		if a, err = b.Do(ctx, "GET", "/v1/events/"+id, b.tenant.Key, nil); err == nil && a.Status == 200 {
			tick.Stop()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("event %s was not appended within a minute: %v %s", id, err, bytes.TrimSpace(a.Body))
		case <-tick.C:
		}
	}
}
