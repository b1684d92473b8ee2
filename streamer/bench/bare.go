//go:build linux

package main

import (
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// bare is the lower bound: a loop of write(2) over the sockets of a channel, and heartbeats as often as the hub's. It
// keeps nothing and does not notice slow or vanished clients.
type bare struct {
	mu       sync.Mutex
	channels map[int]*bareChannel
	all      []int
}

type bareChannel struct {
	mu    sync.Mutex
	fds   []int
	last  int
	frame []byte
}

// The hub's defaults: see hub.Options.
const (
	heartbeatEvery = 20 * time.Second
	heartbeatTick  = 100 * time.Millisecond
)

func newBare() *bare {
	b := &bare{channels: make(map[int]*bareChannel)}
	go b.heartbeats()
	return b
}

func (b *bare) channel(n int) *bareChannel {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.channels[n] == nil {
		b.channels[n] = &bareChannel{}
	}
	return b.channels[n]
}

func (b *bare) subscribe(channel int, conn *net.TCPConn) {
	f, err := conn.File() // a descriptor of its own, unknown to Go's poller
	if err != nil {
		conn.Close()
		return
	}
	fd, err := syscall.Dup(int(f.Fd()))
	f.Close()
	conn.Close()
	if err != nil || syscall.SetNonblock(fd, true) != nil {
		return
	}
	write(fd, []byte(streamHead+"retry: 2000\nid: 0\n\n"))
	ch := b.channel(channel)
	ch.mu.Lock()
	ch.fds = append(ch.fds, fd)
	ch.mu.Unlock()
	b.mu.Lock()
	b.all = append(b.all, fd)
	b.mu.Unlock()
}

func (b *bare) publish(channel int, data []byte) {
	ch := b.channel(channel)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.last++
	ch.frame = fmt.Appendf(ch.frame[:0], "event: bench\ndata: %s\nid: %d\n\n", data, ch.last)
	for _, fd := range ch.fds {
		write(fd, ch.frame)
	}
}

// heartbeats writes to its share of the sockets at each tick.
func (b *bare) heartbeats() {
	step := int(heartbeatEvery / 2 / heartbeatTick)
	for turn := 0; ; turn++ {
		time.Sleep(heartbeatTick)
		b.mu.Lock()
		fds := b.all
		b.mu.Unlock()
		if turn/step%2 == 1 { // the hub's wheel comes round twice as often, and every second time it only checks
			continue
		}
		for i := turn % step; i < len(fds); i += step {
			write(fds[i], []byte(":\n\n"))
		}
	}
}

func write(fd int, b []byte) {
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
}
