package rig

import "unsafe"

// UnsafeString gives a string that changes with b, as transports make them.
func UnsafeString(b []byte) string { return unsafe.String(&b[0], len(b)) }
