package hub

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
)

// receiverEnv makes the test binary a receiver that connects to the address it holds.
const receiverEnv = "HOOKCAST_FANOUT_RECEIVER"

func TestMain(m *testing.M) {
	if addr := os.Getenv(receiverEnv); addr != "" {
		receive(addr)
		return
	}
	os.Exit(m.Run())
}

const (
	fanSubscribers = 5000
	fanMessages    = 64 // of each kind in a round
	fanBurst       = 32
	fanRounds      = 5
	fanBytes       = 256 // of an event's data
)

// BenchmarkFanout compares what a delivery costs the hub with what it costs a bare loop of write(2) over the same sockets, in CPU
// time of this process, user and system. On the loopback that has the receiving half of TCP in it, on both sides. The receivers
// are another process, which naps between its reads, so that no write pays for waking it.
//
//	go test -run ^$ -bench Fanout -benchtime 1x ./streamer/hub
//
// Rounds are interleaved; the medians are reported. In hub and bare each message is received by all before the next goes out; in
// burst 32 are published at once and may be joined.
func BenchmarkFanout(b *testing.B) {
	f := newFan(b)
	for b.Loop() {
		var hub, bare, burst, ratio []float64
		for range fanRounds {
			hub = append(hub, f.cost(func() { f.publish(1) }))
			bare = append(bare, f.cost(f.write))
			burst = append(burst, f.cost(func() { f.publish(fanBurst) }))
			ratio = append(ratio, hub[len(hub)-1]/bare[len(bare)-1])
		}
		b.Logf("µs per delivery: hub %.2f, bare %.2f, burst %.2f", hub, bare, burst)
		b.ReportMetric(median(hub), "hub-µs/delivery")
		b.ReportMetric(median(bare), "bare-µs/delivery")
		b.ReportMetric(median(burst), "burst-µs/delivery")
		b.ReportMetric(median(ratio), "hub/bare")
		b.ReportMetric(0, "ns/op")
	}
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// fan is a hub with its subscribers in another process.
type fan struct {
	b      *testing.B
	hub    *Hub
	conns  []*Conn
	seq    int64
	frame  []byte
	counts *bufio.Reader // of the receiver: a byte for each message that all have
}

// quietLog is a log in which nothing is to be found. Numbers begin where they keep their width.
type quietLog struct{}

const fanFirst = 100_000

func (quietLog) Tail(context.Context, tenants.TenantID, string) (int64, error) { return fanFirst, nil }
func (quietLog) Read(_ context.Context, _ tenants.TenantID, _ string, after int64, _ int, _ tenants.Retention) (tenants.Page, error) {
	return tenants.Page{Tail: after}, nil
}
func (quietLog) Register(context.Context, string, time.Time, tenants.TenantID, string, int) error {
	return nil
}
func (quietLog) Drop(context.Context, string, tenants.TenantID, string) error { return nil }

func newFan(b *testing.B) *fan {
	f := &fan{b: b, seq: fanFirst}
	f.hub = New(Options{Log: quietLog{}, Interest: quietLog{}, Node: "nod_1", Heartbeat: time.Hour, Attach: time.Hour})
	b.Cleanup(f.hub.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), receiverEnv+"="+l.Addr().String())
	child.Stderr = os.Stderr
	in, _ := child.StdinPipe()
	out, _ := child.StdoutPipe()
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); child.Wait() })
	for range fanSubscribers {
		nc, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		c, err := f.hub.Open(Subscription{Tenant: ten, Channels: []string{"a"}, Format: sse.Data, Head: []byte("HTTP/1.1 200 OK\r\n\r\n")})
		if err != nil {
			b.Fatal(err)
		}
		c.Attach(nc)
		f.conns = append(f.conns, c)
	}
	var greeted int64
	for _, c := range f.conns {
		for !c.isGreeted() {
			time.Sleep(time.Millisecond)
		}
		greeted += c.sent
	}
	e := f.next()
	f.seq--
	f.frame = sse.Data.AppendEnd(sse.Data.AppendEvent(nil, &e), fmt.Append(nil, e.Seq))
	var sizes [16]byte
	binary.LittleEndian.PutUint64(sizes[:], uint64(greeted))
	binary.LittleEndian.PutUint64(sizes[8:], uint64(len(f.frame)*fanSubscribers))
	if _, err := in.Write(sizes[:]); err != nil {
		b.Fatal(err)
	}
	f.counts = bufio.NewReader(out)
	return f
}

func (c *Conn) isGreeted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.greeted
}

func (f *fan) next() tenants.Event {
	f.seq++
	return tenants.Event{ID: "evt_1", Seq: f.seq, Type: "t", Time: time.Now(), Data: []byte(strings.Repeat("x", fanBytes))}
}

// cost returns the µs of CPU time that a delivery costs in fanMessages calls of f that deliver one message each, or as many less as
// each delivers more.
func (f *fan) cost(deliver func()) float64 {
	runtime.GC()
	before := cpu(f.b)
	deliver()
	return (cpu(f.b) - before).Seconds() * 1e6 / (fanMessages * fanSubscribers)
}

func (f *fan) publish(burst int) {
	for range fanMessages / burst {
		for range burst {
			if err := f.hub.Send(context.Background(), "nod_1", tenants.Notice{Tenant: ten, Channel: "a", Events: []tenants.Event{f.next()}}); err != nil {
				f.b.Fatal(err)
			}
		}
		f.received(burst)
	}
}

func (f *fan) received(n int) {
	for range n {
		if _, err := f.counts.ReadByte(); err != nil {
			f.b.Fatal(err)
		}
	}
}

// write is the bare loop.
func (f *fan) write() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range fanMessages {
		for _, c := range f.conns {
			n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&f.frame[0])), uintptr(len(f.frame)))
			if errno != 0 || int(n) != len(f.frame) {
				f.b.Fatal(errno)
			}
		}
		f.received(1)
	}
}

func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// receive connects and reads, and writes a byte for each message that every connection has.
func receive(addr string) {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "receiver:", err)
			os.Exit(1)
		}
	}
	ep, err := unix.EpollCreate1(0)
	check(err)
	for range fanSubscribers {
		nc, err := net.Dial("tcp", addr)
		check(err)
		raw, err := nc.(*net.TCPConn).SyscallConn()
		check(err)
		raw.Control(func(fd uintptr) {
			dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
			check(err)
			check(unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, dup, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(dup)}))
		})
		nc.Close()
	}
	var sizes [16]byte
	_, err = io.ReadFull(os.Stdin, sizes[:])
	check(err)
	next, step := int64(binary.LittleEndian.Uint64(sizes[:])), int64(binary.LittleEndian.Uint64(sizes[8:]))
	next += step
	go func() { // the parent is done, or gone
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	events, buf := make([]unix.EpollEvent, 1024), make([]byte, 64<<10)
	for total := int64(0); ; {
		n, _ := unix.EpollWait(ep, events, 0)
		for i := range max(n, 0) {
			if n, _ := unix.Read(int(events[i].Fd), buf); n > 0 {
				total += int64(n)
			}
		}
		for ; total >= next; next += step {
			os.Stdout.Write([]byte{1})
		}
		if n <= 0 {
			time.Sleep(500 * time.Microsecond)
		}
	}
}
