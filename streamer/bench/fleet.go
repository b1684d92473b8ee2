//go:build linux

package main

import (
	"container/heap"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// crowd says what the clients of a fleet do.
type crowd struct {
	clients int
	channel func(client int) int
	events  int // numbered events that each channel gets
	// dial returns where to connect and the request to send there. last is the id of the last event received, nil before the first.
	dial   func(client int, last []byte) (*syscall.SockaddrInet4, []byte)
	deaf   int           // the first so many read nothing once they are open
	native bool          // clients that are closed come back after the retry time that they were told, as EventSource does
	nap    time.Duration // between two looks at the sockets, so that no write of a server pays for waking this process; 0: woken by each
}

// fleet is a crowd at work: many clients in one thread, by epoll.
type fleet struct {
	crowd
	clients []client
	epoll   int
	buffer  []byte
	began   time.Time
	sources int

	open      atomic.Int64
	opened    atomic.Int64 // connects that were answered with a stream
	closed    atomic.Int64 // by the server
	refused   atomic.Int64
	delivered atomic.Int64 // numbered events, each once for each client
	warmed    atomic.Int64
	doubled   atomic.Int64
	disorder  atomic.Int64
	gaps      atomic.Int64
	wanted    atomic.Int64 // clients from the first on that are to be connected
	cut       atomic.Bool  // every client is to close
	stop      atomic.Bool
	done      sync.WaitGroup

	mu        sync.Mutex
	latencies histogram
	connects  []int // by second since began
	err       error // the first

	// The thread's own.
	next, underWay int
	due            comeback
}

// client is one subscriber.
type client struct {
	fd      int
	state   clientState
	highest int
	retry   time.Duration
	last    []byte
	request []byte // to be sent once connected
	seen    []uint64
	scanner
}

type clientState uint8

const (
	away clientState = iota
	connecting
	asking // the request is sent, and no event has come
	open
)

const (
	connectsAtOnce = 256
	deafBuffer     = 32 << 10 // bytes that a client's kernel takes in for one that does not read
)

func newFleet(c crowd) (*fleet, error) {
	f := &fleet{crowd: c, clients: make([]client, c.clients), buffer: make([]byte, 256<<10), began: time.Now(), sources: 16}
	for i := range f.clients {
		f.clients[i] = client{fd: -1, highest: -1, retry: time.Second, seen: make([]uint64, (c.events+63)/64)}
	}
	var err error
	if f.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	f.done.Go(f.loop)
	return f, nil
}

// close ends every client. Its counts can be read afterwards.
func (f *fleet) close() {
	f.stop.Store(true)
	f.done.Wait()
}

// now is the load's clock, in ns.
func (f *fleet) now() int64 { return int64(time.Since(f.began)) }

// connect has the clients up to n connected and waits until they are.
func (f *fleet) connect(n int) error {
	f.wanted.Store(int64(n))
	for limit := time.Now().Add(2 * time.Minute); f.open.Load() < int64(n); time.Sleep(time.Millisecond) {
		if f.refused.Load() > 1000 || time.Now().After(limit) {
			return fmt.Errorf("%d of %d clients are connected, %d were refused and %d closed; the first: %w", f.open.Load(), n, f.refused.Load(), f.closed.Load(), f.failure())
		}
	}
	return nil
}

// hangUp closes every client's connection; connect brings them back, with the last id that each has seen.
func (f *fleet) hangUp() {
	f.wanted.Store(0)
	f.cut.Store(true)
	for f.cut.Load() {
		time.Sleep(time.Millisecond)
	}
}

func (f *fleet) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// await waits until count has reached n; false if it stood still for so long.
func await(count *atomic.Int64, n int64, still time.Duration) bool {
	last, since := int64(-1), time.Now()
	for {
		have := count.Load()
		if have >= n {
			return true
		}
		if have != last {
			last, since = have, time.Now()
		} else if time.Since(since) > still {
			return false
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// measure forgets the latencies so far.
func (f *fleet) measure() {
	f.mu.Lock()
	f.latencies = histogram{}
	f.mu.Unlock()
}

// quantile is of the latencies since measure.
func (f *fleet) quantile(q float64) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.latencies.quantile(q)
}

func (f *fleet) loop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // a thread that ends takes the servers with it that it started: Pdeathsig
	events := make([]syscall.EpollEvent, 1024)
	for !f.stop.Load() {
		if f.cut.Load() {
			for i := range f.clients {
				f.leave(i)
			}
			f.next, f.due = 0, nil
			f.cut.Store(false)
		}
		for f.next < int(f.wanted.Load()) && f.underWay < connectsAtOnce {
			f.dialOut(f.next)
			f.next++
		}
		for now := time.Now(); len(f.due) > 0 && f.due[0].at.Before(now) && f.underWay < connectsAtOnce; {
			f.dialOut(heap.Pop(&f.due).(back).client)
		}
		wait := 5
		if f.nap > 0 {
			wait = 0
		}
		n, err := syscall.EpollWait(f.epoll, events, wait)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			f.fail(err)
			return
		}
		f.mu.Lock()
		for _, e := range events[:max(n, 0)] {
			f.ready(int(e.Fd), e.Events)
		}
		f.mu.Unlock()
		if f.nap > 0 && n < len(events) {
			time.Sleep(f.nap)
		}
	}
	for i := range f.clients {
		f.leave(i)
	}
	syscall.Close(f.epoll)
}

// fail counts what no client should see.
func (f *fleet) fail(err error) {
	f.refused.Add(1)
	f.note(err)
}

// note keeps the first error.
func (f *fleet) note(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fleet) dialOut(i int) {
	c := &f.clients[i]
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		// Each source address has some 28,000 ports, taken when the other end is known.
		const bindAddressNoPort = 24
		syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, bindAddressNoPort, 1)
		if i < f.deaf { // else the kernel takes in for it what comes, up to net.ipv4.tcp_rmem, and no server could know
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
		err = syscall.EpollCtl(f.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLOUT, Fd: int32(i)})
	}
	if err != nil {
		f.lost(i, err)
	}
}

// leave closes a client's connection with a reset, which leaves no port waiting.
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

// lost is a connection that the other end has ended, or that never was.
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
		heap.Push(&f.due, back{i, time.Now().Add(c.retry)})
	}
}

// ready has f.mu held.
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
		if err := syscall.EpollCtl(f.epoll, syscall.EPOLL_CTL_MOD, c.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | edgeTriggered, Fd: int32(i)}); err != nil {
			f.lost(i, err)
		}
		return
	case c.state == open && i < f.deaf:
		if events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			f.lost(i, nil) // what its kernel still holds is nobody's
		}
		return
	}
	for {
		n, err := syscall.Read(c.fd, f.buffer)
		if errors.Is(err, syscall.EAGAIN) {
			return
		}
		if err != nil || n <= 0 {
			f.lost(i, fmt.Errorf("the server closed it: %.200q, %v", c.rest, err))
			return
		}
		if c.state == asking {
			f.greet(i, f.buffer[:n])
		}
		now := f.now()
		c.feed(f.buffer[:n], func(block []byte) { f.event(i, block, now) })
		if c.state == open && i < f.deaf || n < len(f.buffer) && events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) == 0 {
			return
		}
	}
}

// greet sees the first bytes of an answer. A stream is one from its head on.
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
		case "hookcast.quota", "hookcast.denied", "hookcast.expired": // a stream of one frame, or its last
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

// wrong returns what a fleet must never see.
func (f *fleet) wrong() error {
	if d, o, g := f.doubled.Load(), f.disorder.Load(), f.gaps.Load(); d+o+g > 0 {
		return fmt.Errorf("%d events came twice, %d out of order, %d gaps", d, o, g)
	}
	return nil
}

// comeback is a heap of clients that will connect again.
type comeback []back

type back struct {
	client int
	at     time.Time
}

func (h comeback) Len() int           { return len(h) }
func (h comeback) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h comeback) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *comeback) Push(x any)        { *h = append(*h, x.(back)) }
func (h *comeback) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
