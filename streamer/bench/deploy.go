//go:build linux

package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hookcast/hookcast/streamer/peers"
)

// deploy restarts two nodes one after the other, as a rolling deploy does, while events flow and 5,000 clients
// listen. A client that is disconnected reconnects, after the retry time that it was told, to a node that is ready,
// as EventSource behind a load balancer does.
func (b *bench) deploy() error {
	const clients, channels, rate, atMost = 5000, 10, 10, 8 * time.Minute
	s, c, err := b.startCluster()
	if isMissing(err) {
		b.report.note("the AWS form on one machine needs java, node and npm")
		return nil
	}
	if s != nil {
		defer s.stop()
	}
	if err != nil {
		return err
	}
	channel := func(i int) int { return i % channels }
	f, err := newFleet(fleetSpec{
		clients: clients, channel: channel, native: true, events: int(atMost.Seconds()) * rate / channels,
		dial: func(i int, last []byte) (*syscall.SockaddrInet4, []byte) {
			return c.pick(i), s.request(channel(i), last)
		},
	})
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.connect(clients); err != nil {
		return err
	}
	ps := s.publishers(1)
	defer ps.close()
	if err := f.warm(ps, channels, 256); err != nil {
		return err
	}
	f.mu.Lock()
	quiet := len(f.connects)
	f.mu.Unlock()
	restarted := make(chan error, 1)
	go func() { restarted <- c.restart() }()
	events, err := f.publishUntil(restarted, ps[0], channels, rate)
	if err != nil {
		return err
	}
	want := int64(events/channels) * clients
	all := await(&f.delivered, want, 15*time.Second)
	f.mu.Lock()
	busiest := slices.Max(append([]int{0}, f.connects[min(quiet, len(f.connects)):]...))
	f.mu.Unlock()
	b.report.add("hookcast", "clients sent away", float64(f.closed.Load()))
	b.report.add("hookcast", "connects in the busiest second", float64(busiest))
	b.report.add("hookcast", "p99 ms", float64(f.quantile(.99))/1e6)
	b.report.add("hookcast", "events lost", float64(want-f.delivered.Load()))
	b.hold("everyone is back", f.open.Load() == clients)
	b.hold("nobody lost or doubled an event, or had one out of order", all && f.wrong() == nil)
	b.within("no second saw more than a fifth of them connect", float64(busiest), clients/5)
	return nil
}

// publishUntil publishes to the channels in turn until done reports its error, and returns how many events were
// published.
func (f *fleet) publishUntil(done <-chan error, p *publisher, channels, rate int) (events int, err error) {
	for {
		for range channels {
			if err := f.paced(p, events%channels, events/channels, 1, 256, float64(rate)); err != nil {
				return events, err
			}
			time.Sleep(time.Second / time.Duration(rate))
			events++
		}
		select {
		case err := <-done:
			return events, err
		default:
			if events/channels >= f.events {
				return events, fmt.Errorf("two nodes did not restart within the time of %d events", events)
			}
		}
	}
}

// cluster is the AWS form on this machine, with a replacement for its balancer.
type cluster struct {
	data  string
	nodes []*node
}

type node struct {
	name, addr string
	at         *syscall.SockaddrInet4
	ready      atomic.Bool
}

func (b *bench) startCluster() (*server, *cluster, error) {
	for _, program := range []string{"java", "node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, nil, peers.ErrMissing
		}
	}
	binary := filepath.Join(b.dir, "awslocal")
	if out, err := exec.Command("go", "build", "-o", binary,
		"github.com/hookcast/hookcast/infra/awslocal").CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	s, c, api := &server{name: "awslocal"}, &cluster{data: filepath.Join(b.dir, "awslocal-data")}, peers.FreeAddr()
	for i := range 2 {
		addr := peers.FreeAddr()
		c.nodes = append(c.nodes, &node{name: fmt.Sprintf("streamer-%d", i+1), addr: addr, at: socketAddress(addr)})
	}
	err := s.processes.start(b.dir, binary, nil, "-api", api, "-stream", c.nodes[0].addr+","+c.nodes[1].addr,
		"-data", c.data)
	if err == nil {
		err = listening(api)
	}
	if err == nil {
		err = ready("http://" + api + "/readyz")
	}
	if err != nil {
		return s, nil, err
	}
	s.operatorFile = filepath.Join(c.data, "operator.key")
	operator, err := operatorOf(s)
	if err != nil {
		return s, nil, err
	}
	t, err := newTenant("http://"+api, operator, noLimits)
	if err != nil {
		return s, nil, err
	}
	s.use(t)
	s.addr, s.publishAddr = c.nodes[0].addr, api
	c.look()
	go func() {
		for range time.Tick(time.Second) {
			c.look()
		}
	}()
	return s, c, nil
}

// look asks each node whether it takes clients.
func (c *cluster) look() {
	for _, n := range c.nodes {
		a, err := http.Get("http://" + n.addr + "/readyz")
		if err == nil {
			a.Body.Close()
		}
		n.ready.Store(err == nil && a.StatusCode == http.StatusOK)
	}
}

// pick returns the address that a client connects to.
func (c *cluster) pick(client int) *syscall.SockaddrInet4 {
	for i := range c.nodes {
		if n := c.nodes[(client+i)%len(c.nodes)]; n.ready.Load() {
			return n.at
		}
	}
	return c.nodes[client%len(c.nodes)].at
}

// restart stops each node and waits until another process has replaced it.
func (c *cluster) restart() error {
	for _, n := range c.nodes {
		before := c.pid(n.name)
		if before == 0 {
			return fmt.Errorf("%s is not running", n.name)
		}
		if err := syscall.Kill(before, syscall.SIGTERM); err != nil {
			return err
		}
		for limit := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
			if pid := c.pid(n.name); pid != 0 && pid != before && n.ready.Load() {
				break
			}
			if time.Now().After(limit) {
				return fmt.Errorf("%s was not replaced", n.name)
			}
		}
	}
	return nil
}

// pid reads a process's id from awslocal's file of processes.
func (c *cluster) pid(name string) (pid int) {
	b, _ := os.ReadFile(filepath.Join(c.data, "processes"))
	for line := range strings.Lines(string(b)) {
		if n, _ := fmt.Sscanf(line, name+" %d", &pid); n == 1 {
			return pid
		}
	}
	return 0
}
