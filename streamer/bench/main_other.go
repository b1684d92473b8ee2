//go:build !linux

// Command bench measures what streams cost. It reads /proc and drives its clients by epoll: Linux only.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: it needs Linux")
	os.Exit(1)
}
