//go:build !unix

package process

import (
	"os"
	"os/exec"
)

var terminate = os.Kill

func bind(*exec.Cmd) {}

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
