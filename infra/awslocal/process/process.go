// Package process runs programs that end with this one, whatever way that ends.
package process

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Process is a child.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait; there once ended is closed
}

// Start starts cmd in a process group of its own, which the terminal's Ctrl-C passes by, bound to the life of this process.
func Start(cmd *exec.Cmd) (*Process, error) {
	bind(cmd)
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// On Linux the child is bound to the thread that starts it, and a thread that a goroutine has locked ends with the goroutine:
		// so this one stays until the child has gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed once the process is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err says how the process ended, which it must have: nil with status 0.
func (p *Process) Err() error {
	<-p.ended
	return p.err
}

// Kill ends the process at once, and all that it started, and returns when it is gone.
func (p *Process) Kill() {
	select {
	case <-p.ended:
	default:
		kill(p.cmd)
		<-p.ended
	}
}

// Stop asks the process to end, and kills it where it has not within the time.
func (p *Process) Stop(within time.Duration) {
	_ = p.cmd.Process.Signal(terminate)
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		p.Kill()
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }
