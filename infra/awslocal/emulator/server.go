package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"

	"github.com/hookcast/hookcast/infra/awslocal/process"
)

// Server is a running stand-in.
type Server struct {
	URL string // http://127.0.0.1:port, without a slash at its end

	program *process.Process
}

// Stop ends the server, what it stored with it, and returns when it is gone. Stopping twice is fine.
func (s *Server) Stop() { s.program.Kill() }

// Ended is closed when the server is gone, by Stop or otherwise.
func (s *Server) Ended() <-chan struct{} { return s.program.Ended() }

// start runs a program that listens on a port of 127.0.0.1 and then writes the port as the first line of its output. ctx bounds the
// start only; the server goes on until Stop, or until this process ends.
func start(ctx context.Context, name string, cmd *exec.Cmd) (*Server, error) {
	// Held open and never written to: to the child its end says that this process is gone, also where the kernel does not.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	words := &tail{}
	out := &firstLine{line: make(chan string, 1), rest: words}
	cmd.Stdout, cmd.Stderr = out, words
	program, err := process.Start(cmd)
	if err != nil {
		return nil, err
	}
	s := &Server{program: program}
	select {
	case port := <-out.line:
		err = s.answers(ctx, port)
	case <-program.Ended():
		err = errors.New("it ended")
	case <-ctx.Done():
		err = fmt.Errorf("it takes too long: %w", ctx.Err())
	}
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("%s does not start: %w%s", name, err, words.last())
	}
	return s, nil
}

// answers waits for the server at port to answer a request, whatever the answer.
func (s *Server) answers(ctx context.Context, port string) error {
	s.URL = "http://127.0.0.1:" + port
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/health", nil)
	if err != nil {
		return fmt.Errorf("it wrote %q in place of a port", port)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// firstLine hands out the first line that is written to it. What comes behind it goes on to rest.
type firstLine struct {
	line chan string // holds one
	rest *tail
	got  []byte // of the line, until it is there
	done bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if f.done {
		return f.rest.Write(p)
	}
	f.got = append(f.got, p...)
	line, rest, whole := bytes.Cut(f.got, []byte("\n"))
	if whole {
		f.done, f.got = true, nil
		f.line <- strings.TrimSpace(string(line))
		_, _ = f.rest.Write(rest)
	}
	return len(p), nil
}

// tail keeps the last of what a child wrote, for the error that says why it failed.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - 4096; n > 0 {
		t.buf = append(t.buf[:0], t.buf[n:]...)
	}
	return len(p), nil
}

// last returns what was written, in one line that goes on from another; "" where it is nothing.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if said := strings.Join(strings.Fields(string(t.buf)), " "); said != "" {
		return ": " + said
	}
	return ""
}
