// Package process runs child processes that end with this one, however it ends.
package process

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Process is a child process.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // result of Wait; set once ended is closed
}

// Start starts cmd in a process group of its own, so that Ctrl-C in the terminal does not reach it, and binds it to
// the life of this process.
func Start(cmd *exec.Cmd) (*Process, error) {
	bind(cmd)
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// On Linux the child is bound to the thread that starts it. A thread that is locked by a goroutine ends with
		// the goroutine, so this one runs until the child has ended.
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

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended returns a channel that is closed once the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err waits for the end of the process and returns its error, or nil for status 0.
func (p *Process) Err() error {
	<-p.ended
	return p.err
}

// Kill ends the process and everything that it started at once, and returns when it is gone.
func (p *Process) Kill() {
	select {
	case <-p.ended:
	default:
		kill(p.cmd)
		<-p.ended
	}
}

// Stop asks the process to end, and kills it if it does not end in time.
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
