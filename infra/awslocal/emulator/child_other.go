//go:build !linux

package emulator

import "os/exec"

// bind does nothing here. The SQS server notices by itself that its parent is gone; DynamoDB Local outlives one that was killed.
func bind(*exec.Cmd) {}

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
