//go:build !unix

package emulator

import "context"

// lock does nothing on this system: two processes may download the same files, and the first rename succeeds.
func lock(context.Context, string) (unlock func(), err error) { return func() {}, nil }
