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

// Server is a running emulator.
type Server struct {
	URL string // http://127.0.0.1:port, without a trailing slash

	program *process.Process
}

// Stop ends the server with everything that it stored, and returns when its process is gone. A second call does
// nothing.
func (s *Server) Stop() { s.program.Kill() }

// Ended returns a channel that is closed when the server is gone, because of Stop or otherwise.
func (s *Server) Ended() <-chan struct{} { return s.program.Ended() }

// start runs a program that listens on a port of 127.0.0.1 and then writes the port as the first line of its output.
// ctx bounds the start only; the server runs until Stop, or until this process ends.
func start(ctx context.Context, name string, cmd *exec.Cmd) (*Server, error) {
	// The pipe stays open and unused: its end tells the child that this process is gone, even on systems whose kernel
	// does not.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	output := &tail{}
	out := &firstLine{line: make(chan string, 1), rest: output}
	cmd.Stdout, cmd.Stderr = out, output
	program, err := process.Start(cmd)
	if err != nil {
		return nil, err
	}
	s := &Server{program: program}
	select {
	case port := <-out.line:
		err = s.answers(ctx, port)
	case <-program.Ended():
		err = errors.New("it ended before it was ready")
	case <-ctx.Done():
		err = fmt.Errorf("it took too long: %w", ctx.Err())
	}
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("%s did not start: %w%s", name, err, output.last())
	}
	return s, nil
}

// answers waits for the server at port to answer a request with any status.
func (s *Server) answers(ctx context.Context, port string) error {
	s.URL = "http://127.0.0.1:" + port
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/health", nil)
	if err != nil {
		return fmt.Errorf("it wrote %q instead of a port", port)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// firstLine sends the first line that is written to it to line. Later output goes to rest.
type firstLine struct {
	line chan string // has room for one
	rest *tail
	got  []byte // the incomplete first line
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

// tail keeps the last 4 KiB of a child's output, for the error that says why it failed.
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

// last returns that output as one line to append to another, or "" if there is none.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.Join(strings.Fields(string(t.buf)), " "); text != "" {
		return ": " + text
	}
	return ""
}
