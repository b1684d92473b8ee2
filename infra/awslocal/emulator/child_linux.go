package emulator

import (
	"os/exec"
	"syscall"
)

// bind makes the child a process group of its own, which the terminal's Ctrl-C passes by, and has the kernel kill it when the thread that
// started it ends (PR_SET_PDEATHSIG of prctl(2)).
func bind(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kill ends the child and all that it started.
func kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
