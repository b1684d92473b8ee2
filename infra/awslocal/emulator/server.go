package emulator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// Server is a running stand-in.
type Server struct {
	URL string // http://127.0.0.1:port, without a slash at its end

	cmd   *exec.Cmd
	ended chan struct{}
}

// Stop ends the server, what it stored with it, and returns when it is gone. Stopping twice is fine.
func (s *Server) Stop() {
	select {
	case <-s.ended:
	default:
		kill(s.cmd)
		<-s.ended
	}
}

// Ended is closed when the server is gone, by Stop or otherwise.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// start runs a program that listens on a port of 127.0.0.1 and then writes the port as the first line of its output. ctx bounds the
// start only; the server goes on until Stop, or until this process ends.
func start(ctx context.Context, name string, cmd *exec.Cmd) (*Server, error) {
	bind(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// Held open and never written to: to the child its end says that this process is gone.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	words := &tail{}
	cmd.Stderr = words
	s := &Server{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	port := make(chan string, 1)
	go func() {
		// The child is bound to the thread that starts it, and Go ends a thread when a goroutine ends that is locked to it:
		// so this one stays until the child has gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		lines := bufio.NewReader(out)
		line, _ := lines.ReadString('\n')
		port <- strings.TrimSpace(line)
		_, _ = io.Copy(words, lines)
		_ = cmd.Wait()
		close(s.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	select {
	case p := <-port:
		if err := s.answers(ctx, p); err != nil {
			s.Stop()
			return nil, fmt.Errorf("%s does not start: %w%s", name, err, words.last())
		}
		return s, nil
	case <-ctx.Done():
		s.Stop()
		return nil, fmt.Errorf("%s takes too long to start: %w", name, ctx.Err())
	}
}

// answers waits for the server at port to answer a request, whatever the answer.
func (s *Server) answers(ctx context.Context, port string) error {
	if port == "" {
		return errors.New("it ended")
	}
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
