// Command hash prints the hash of the operator's key in a file. If the file does not exist, it creates a key:
//
//	go run ./infra/operatorkey/hash operator.key
//
// The hash is a parameter of a deployment. The key stays in the file.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/hookcast/hookcast/infra/operatorkey"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 || args[0] == "" || args[0][0] == '-' {
		fmt.Fprintln(stderr, "usage: hash FILE")
		return 2
	}
	hash, err := operatorkey.Hash(args[0])
	if err != nil {
		fmt.Fprintln(stderr, "hash:", err)
		return 1
	}
	fmt.Fprintln(stdout, hash)
	return 0
}
