//go:build !unix

package emulator

import "context"

// lock does nothing here: two processes may download the same, and the first that is done has its rename succeed.
func lock(context.Context, string) (unlock func(), err error) { return func() {}, nil }
