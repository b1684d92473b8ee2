//go:build !unix

package main

// hold does nothing on this system: a second awslocal on the same folder is not detected.
func hold(string) (release func(), err error) { return func() {}, nil }
