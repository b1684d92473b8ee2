//go:build linux

package main

import (
	"container/heap"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// fleetSpec describes the clients of a fleet.
type fleetSpec struct {
	clients int
	channel func(client int) int
	events  int // numbered events for each channel
	// dial returns the address to connect to and the request to send there. last is the id of the last event
	// received, nil before the first.
	dial   func(client int, last []byte) (*syscall.SockaddrInet4, []byte)
	deaf   int  // number of clients, from the first on, that read nothing once they are open
	native bool // closed clients reconnect after the retry time that they were told, as EventSource does
	// pause between two polls of the sockets, so that no write of a server pays for waking this process; 0: each
	// write wakes it
	nap time.Duration
}

// fleet runs many clients in one thread, by epoll.
type fleet struct {
	fleetSpec
	clients []client
	epoll   int
	buffer  []byte
	began   time.Time
	sources int

	open      atomic.Int64
	opened    atomic.Int64 // connects that were answered with a stream
	closed    atomic.Int64 // by the server
	refused   atomic.Int64
	delivered atomic.Int64 // numbered events, each counted once per client
	warmed    atomic.Int64
	doubled   atomic.Int64
	disorder  atomic.Int64
	gaps      atomic.Int64
	wanted    atomic.Int64 // number of clients, from the first on, to connect
	cut       atomic.Bool  // every client must close
	stop      atomic.Bool
	done      sync.WaitGroup

	mu        sync.Mutex
	latencies histogram
	connects  []int // by second since began

	first atomic.Pointer[error] // the first error

	// Owned by the thread.
	next, underWay int
	due            reconnects
}

// client is one subscriber.
type client struct {
	fd      int
	state   clientState
	highest int
	retry   time.Duration
	last    []byte
	request []byte // sent once connected
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
	deafBuffer     = 32 << 10 // receive buffer, in bytes, of a client that does not read
)

func newFleet(c fleetSpec) (*fleet, error) {
	f := &fleet{fleetSpec: c, clients: make([]client, c.clients), buffer: make([]byte, 256<<10), began: time.Now(),
		sources: 16}
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

// close ends every client. The counts can be read afterwards.
func (f *fleet) close() {
	f.stop.Store(true)
	f.done.Wait()
}

// now returns the fleet's clock in ns.
func (f *fleet) now() int64 { return int64(time.Since(f.began)) }

// connect connects the first n clients and waits until they are connected.
func (f *fleet) connect(n int) error {
	f.wanted.Store(int64(n))
	for limit := time.Now().Add(2 * time.Minute); f.open.Load() < int64(n); time.Sleep(time.Millisecond) {
		if f.refused.Load() > 1000 || time.Now().After(limit) {
			return fmt.Errorf("%d of %d clients are connected, %d were refused and %d closed; the first error: %w",
				f.open.Load(), n, f.refused.Load(), f.closed.Load(), f.failure())
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

// failure returns the first error of all clients.
func (f *fleet) failure() error {
	if err := f.first.Load(); err != nil {
		return *err
	}
	return nil
}

// await waits until count has reached n. It returns false if count does not change for the duration still.
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

// measure resets the latencies.
func (f *fleet) measure() {
	f.mu.Lock()
	f.latencies = histogram{}
	f.mu.Unlock()
}

// quantile returns a quantile of the latencies since measure.
func (f *fleet) quantile(q float64) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.latencies.quantile(q)
}

func (f *fleet) loop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // the end of its thread would kill the servers that it started: Pdeathsig
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
			f.dialOut(heap.Pop(&f.due).(reconnect).client)
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

// fail counts an error that no client should see.
func (f *fleet) fail(err error) {
	f.refused.Add(1)
	f.note(err)
}

// note keeps the first error.
func (f *fleet) note(err error) {
	if err != nil {
		f.first.CompareAndSwap(nil, &err)
	}
}

// wrong returns an error if events were repeated, out of order or missing.
func (f *fleet) wrong() error {
	if d, o, g := f.doubled.Load(), f.disorder.Load(), f.gaps.Load(); d+o+g > 0 {
		return fmt.Errorf("%d repeated events, %d events out of order, %d gaps", d, o, g)
	}
	return nil
}
