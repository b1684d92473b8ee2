package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/hookcast/hookcast/infra/awslocal/process"
)

// streamer keeps a streaming node running: a node that ends is replaced, as the service on AWS would.
type streamer struct {
	name, binary string
	environment  []string
	out          *os.File
	log          *slog.Logger
	changed      func()
	ready        <-chan struct{} // closed once the whole deployment is ready

	mu      sync.Mutex
	current *process.Process
}

// firstLives is how often a node may end before the deployment is ready: the same cause would end it again.
const firstLives = 3

// run returns when ctx has ended and the node is gone, or when the node cannot start.
func (s *streamer) run(ctx context.Context) error {
	for life := 1; ctx.Err() == nil; life++ {
		cmd := exec.Command(s.binary)
		cmd.Env, cmd.Stdout, cmd.Stderr = s.environment, s.out, s.out
		child, err := process.Start(cmd)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.set(child)
		select {
		case <-child.Ended():
			s.log.Warn("a streaming node has ended and is replaced", "node", s.name, "error", child.Err())
			s.set(nil)
			select {
			case <-s.ready:
			default:
				if life == firstLives {
					return fmt.Errorf("%s did not start: %s", s.name, lastLine(s.out.Name()))
				}
			}
			sleep(ctx, time.Second)
		case <-ctx.Done():
			child.Stop(stopTime)
			s.set(nil)
		}
	}
	return nil
}

func (s *streamer) set(p *process.Process) {
	s.mu.Lock()
	s.current = p
	s.mu.Unlock()
	s.changed()
}

// pid returns 0 while no process runs.
func (s *streamer) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0
	}
	return s.current.PID()
}

// lastLine returns the last line of a program's output.
func lastLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}
