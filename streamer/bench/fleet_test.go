//go:build linux

package main

import (
	"syscall"
	"testing"
	"time"
)

// TestAFailureCanBeReadWhileClientsDial checks that the first error is safe to read while the fleet's thread writes
// it.
func TestAFailureCanBeReadWhileClientsDial(t *testing.T) {
	f, err := newFleet(fleetSpec{
		clients: 64, channel: func(int) int { return 0 }, events: 1,
		dial: func(int, []byte) (*syscall.SockaddrInet4, []byte) { // nothing connects to a broadcast address
			return &syscall.SockaddrInet4{Port: 9, Addr: [4]byte{255, 255, 255, 255}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	f.wanted.Store(64)
	for limit := time.Now().Add(5 * time.Second); f.failure() == nil; {
		if time.Now().After(limit) {
			t.Fatal("got no failure, want the error of a connect")
		}
	}
}
