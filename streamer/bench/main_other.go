//go:build !linux

// Command bench measures the cost of streams. It reads /proc and runs its clients by epoll, so it works on Linux
// only.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: this program runs on Linux only")
	os.Exit(1)
}
