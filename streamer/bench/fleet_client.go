//go:build linux

package main

import (
	"container/heap"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"
)

func (f *fleet) dialOut(i int) {
	c := &f.clients[i]
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		// Each source address has some 28,000 ports, assigned when the other end is known.
		const bindAddressNoPort = 24
		syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, bindAddressNoPort, 1)
		if i < f.deaf { // otherwise the kernel buffers up to net.ipv4.tcp_rmem, which no server can notice
			syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, deafBuffer)
		}
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%f.sources)}})
		c.fd, c.state = fd, connecting
		f.underWay++
	}
	to, request := f.dial(i, c.last)
	c.request = request
	if err == nil {
		if err = syscall.Connect(fd, to); errors.Is(err, syscall.EINPROGRESS) {
			err = nil
		}
	}
	if err == nil {
		err = syscall.EpollCtl(f.epoll, syscall.EPOLL_CTL_ADD,
			fd, &syscall.EpollEvent{Events: syscall.EPOLLOUT, Fd: int32(i)})
	}
	if err != nil {
		f.lost(i, err)
	}
}

// leave closes a client's connection with a reset, which leaves no port in TIME_WAIT.
func (f *fleet) leave(i int) {
	c := &f.clients[i]
	if c.state == open {
		f.open.Add(-1)
	} else if c.state != away {
		f.underWay--
	}
	c.state, c.rest = away, nil
	if c.fd >= 0 {
		syscall.SetsockoptLinger(c.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
		syscall.Close(c.fd)
		c.fd = -1
	}
}

// lost handles a connection that the other end has closed, or that failed.
func (f *fleet) lost(i int, err error) {
	c := &f.clients[i]
	wasOpen := c.state == open
	f.leave(i)
	if wasOpen {
		f.closed.Add(1)
	} else {
		f.refused.Add(1)
	}
	f.note(err)
	if f.native || !wasOpen {
		heap.Push(&f.due, reconnect{i, time.Now().Add(c.retry)})
	}
}

// ready handles the epoll events of one client. f.mu held.
func (f *fleet) ready(i int, events uint32) {
	c := &f.clients[i]
	switch {
	case c.fd < 0:
		return
	case c.state == connecting:
		if e, err := syscall.GetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || e != 0 {
			f.lost(i, fmt.Errorf("connect: %w", syscall.Errno(e)))
			return
		}
		if n, err := syscall.Write(c.fd, c.request); n != len(c.request) {
			f.lost(i, fmt.Errorf("request: %v", err))
			return
		}
		c.state, c.request = asking, nil
		const edgeTriggered = 1 << 31
		if err := syscall.EpollCtl(f.epoll, syscall.EPOLL_CTL_MOD, c.fd,
			&syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | edgeTriggered,
				Fd: int32(i)}); err != nil {
			f.lost(i, err)
		}
		return
	case c.state == open && i < f.deaf:
		if events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			f.lost(i, nil) // the data in its kernel is not counted
		}
		return
	}
	for {
		n, err := syscall.Read(c.fd, f.buffer)
		if errors.Is(err, syscall.EAGAIN) {
			return
		}
		if err != nil || n <= 0 {
			f.lost(i, fmt.Errorf("the server closed the connection after %.200q: %v", c.rest, err))
			return
		}
		if c.state == asking {
			f.greet(i, f.buffer[:n])
		}
		now := f.now()
		c.feed(f.buffer[:n], func(block []byte) { f.event(i, block, now) })
		if c.state == open && i < f.deaf || n < len(f.buffer) &&
			events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) == 0 {
			return
		}
	}
}

// greet checks the first bytes of a response. A stream is open from its head on.
func (f *fleet) greet(i int, b []byte) {
	if len(b) < 12 || string(b[:9]) != "HTTP/1.1 " || string(b[9:12]) != "200" {
		return
	}
	f.clients[i].state = open
	f.underWay--
	f.open.Add(1)
	f.opened.Add(1)
	second := int(time.Since(f.began) / time.Second)
	for len(f.connects) <= second {
		f.connects = append(f.connects, 0)
	}
	f.connects[second]++
}

func (f *fleet) event(i int, block []byte, now int64) {
	c := &f.clients[i]
	if ms := field(block, "retry"); ms != nil {
		if n, err := strconv.Atoi(string(ms)); err == nil {
			c.retry = time.Duration(n) * time.Millisecond
		}
	}
	if id := field(block, "id"); id != nil {
		c.last = append(c.last[:0], id...)
	}
	m, ok := markOf(block)
	if !ok {
		switch name := string(field(block, "event")); name {
		case "hookcast.gap":
			f.gaps.Add(1)
		case "hookcast.quota", "hookcast.denied", "hookcast.expired": // a stream of one frame, or its last frame
			f.note(fmt.Errorf("%s: %s", name, field(block, "data")))
		}
		return
	}
	if m.number >= warmUp {
		f.warmed.Add(1)
		return
	}
	if m.channel != f.channel(i) || m.number >= f.events {
		f.fail(fmt.Errorf("client %d of channel %d got event %d of channel %d", i, f.channel(i), m.number, m.channel))
		return
	}
	word, bit := m.number/64, uint64(1)<<(m.number%64)
	if c.seen[word]&bit != 0 {
		f.doubled.Add(1)
		return
	}
	c.seen[word] |= bit
	if m.number < c.highest {
		f.disorder.Add(1)
	}
	c.highest = max(c.highest, m.number)
	f.latencies.add(now - m.sent)
	f.delivered.Add(1)
}

// reconnects is a heap of clients that will connect again.
type reconnects []reconnect

type reconnect struct {
	client int
	at     time.Time
}

func (h reconnects) Len() int           { return len(h) }
func (h reconnects) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h reconnects) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *reconnects) Push(x any)        { *h = append(*h, x.(reconnect)) }
func (h *reconnects) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
