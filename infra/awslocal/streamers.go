package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"github.com/hookcast/hookcast/infra/awslocal/process"
)

// streamer keeps a streaming node running: one that ends is replaced, as its service would.
type streamer struct {
	name, binary string
	environment  []string
	out          io.Writer
	log          *slog.Logger
	changed      func()

	mu      sync.Mutex
	current *process.Process
}

// run returns when ctx has ended and the node is gone. One that ends before it was there for a while is given time.
func (s *streamer) run(ctx context.Context) error {
	for ctx.Err() == nil {
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

// pid is 0 where there is no process at the moment.
func (s *streamer) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0
	}
	return s.current.PID()
}
