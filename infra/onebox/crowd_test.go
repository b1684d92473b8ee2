package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

// roomFor lifts the tenant's limits, so that the server's own limits are measured.
func roomFor(t testing.TB, p *process, tenant endtoend.Tenant) {
	t.Helper()
	limits := map[string]int{"connections": 0, "connections_per_ip": 0, "connects_per_second": 0,
		"events_per_second": 0}
	p.Must(t, "PATCH", "/v1/tenants/"+tenant.ID, p.operatorKey(t), map[string]any{"limits": limits}).Want(t, 200)
}

func TestTenThousandIdleStreamsCostAtMostTwoKiBEach(t *testing.T) {
	depth.NeedsAll(t)
	const streams, most = 10_000, 2 << 10
	p := start(t, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"))
	tenant := p.Signup(t, "crowd")
	roomFor(t, p, tenant)
	target := "/v1/stream?channel=crowd&token=" + p.Token(t, tenant, "anybody", "crowd")

	crowd := endtoend.NewCrowd(t, p.addr)
	if opened, refused := crowd.Open(t, 100, target); refused > 0 {
		t.Fatalf("%d streams opened and %d refused, want 100 and 0", opened, refused)
	}
	before, threads := p.pss(t), p.goroutines(t)
	if opened, refused := crowd.Open(t, streams, target); refused > 0 {
		t.Fatalf("%d streams opened and %d refused, want none refused", opened, refused)
	}
	each := (p.pss(t) - before) / streams
	more := p.goroutines(t) - threads
	t.Logf("%d bytes each, %d more goroutines", each, more)
	if each > most {
		t.Errorf("an idle stream costs %d bytes, want at most %d", each, most)
	}
	if more > 100 {
		t.Errorf("%d more goroutines for %d streams, want at most 100", more, streams)
	}

	p.Must(t, "POST", "/v1/channels/crowd/events", tenant.Key,
		map[string]any{"type": "crowd", "data": map[string]bool{"crowd": true}}).Want(t, 202)
	await(t, "every stream to get the event", func() bool {
		alive, events := crowd.Alive(t)
		return alive == streams+100 && events == streams+100
	})
	t.Logf("%d bytes each after an event to all", (p.pss(t)-before)/streams)
}

// The process may hold 20,000 descriptors. Connections beyond that are refused; those that are open stay, and /readyz
// answers 503.
func TestPastTheDescriptorLimitNobodyInPlaceIsLost(t *testing.T) {
	const descriptors, connects = 20_000, 20_500
	var all syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &all); err != nil || all.Max < descriptors {
		t.Skipf("this machine allows a process %d descriptors, and the test needs %d: %v", all.Max, descriptors, err)
	}
	// The limit is the same wherever the test runs: the shell sets it and then becomes onebox.
	limited := []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$@"`, descriptors), "sh"}
	p := startUnder(t, limited, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"))
	tenant := p.Signup(t, "crowd")
	roomFor(t, p, tenant)
	target := "/v1/stream?channel=crowd&token=" + p.Token(t, tenant, "anybody", "crowd")

	crowds := []*endtoend.Crowd{endtoend.NewCrowd(t, p.addr), endtoend.NewCrowd(t, p.addr)}
	in, out := 0, 0
	for _, c := range crowds {
		opened, refused := c.Open(t, connects/len(crowds), target)
		in, out = in+opened, out+refused
	}
	t.Logf("%d streams opened, %d refused", in, out)
	if out == 0 || in < 15_000 {
		t.Fatalf("%d streams opened and %d refused, want at least 15000 opened and some refused", in, out)
	}
	alive := 0
	for _, c := range crowds {
		n, _ := c.Alive(t)
		alive += n
	}
	if alive != in {
		t.Errorf("%d of %d open streams were lost", in-alive, in)
	}
	if a := p.Must(t, "GET", "/readyz", "", nil); a.Status != 503 {
		t.Errorf("/readyz answers %d beyond the limit, want 503", a.Status)
	}
	p.Must(t, "POST", "/v1/channels/crowd/events", tenant.Key,
		map[string]any{"type": "crowd", "data": map[string]bool{"crowd": true}}).Want(t, 202)
	await(t, "every open stream to get the event", func() bool {
		events := 0
		for _, c := range crowds {
			_, n := c.Alive(t)
			events += n
		}
		return events == in
	})
}

// pss returns the process's proportional set size in bytes, once it is stable.
func (p *process) pss(t testing.TB) int {
	t.Helper()
	last, still := -1, 0
	await(t, "the memory to be stable", func() bool {
		now := p.smaps(t, "Pss:") << 10
		if still++; last < 0 || max(now-last, last-now) > last/200 {
			still = 0
		}
		last = now
		time.Sleep(500 * time.Millisecond) // the interval between two measurements
		return still == 12
	})
	return last
}

func (p *process) smaps(t testing.TB, field string) (kib int) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("this machine has no smaps_rollup: %v", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), field); ok {
			fmt.Sscan(rest, &kib)
			return kib
		}
	}
	t.Fatalf("smaps_rollup has no %s", field)
	return 0
}

func (p *process) goroutines(t testing.TB) (n int) {
	t.Helper()
	for line := range strings.Lines(string(p.Must(t, "GET", "/metrics", "", nil).Want(t, 200).Body)) {
		if rest, ok := strings.CutPrefix(line, "hookcast_goroutines "); ok {
			fmt.Sscan(rest, &n)
			return n
		}
	}
	t.Fatal("the metrics have no hookcast_goroutines")
	return 0
}

// await calls done until it returns true, for up to 30 seconds: the test waits for another process.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
