//go:build linux

// Command bench measures the cost of streams and compares it with a bare loop of write(2) over the same sockets, with
// net/http and Fiber as one writes them by hand, and with nchan and pushpin if they are installed.
//
//	go run ./streamer/bench                        all of it, some 20 minutes on 2 cores
//	go run ./streamer/bench -only idle,fanout -rounds 1
//
// hookcast is onebox as it ships: each event goes through the API, the queue and the log, with an fsync, before it is
// fanned out. hub is its fan-out alone. Every figure comes from a fresh server in separate processes; the clients run
// in this process. Rounds are interleaved, so that a slow phase of the machine affects all servers, and medians are
// printed. CPU is the user and system time of all of a server's processes, which on the loopback includes the
// receiving half of TCP.
//
// It needs descriptors: `ulimit -n` limits the connections of a process.
package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is one run of the command.
type bench struct {
	dir         string // for temporary files
	self        string // path of this program
	onebox      string // path of the built program
	rounds      int
	descriptors int
	servers     []string // servers to measure; empty: all
	also        []*server
	report      report
	failed      bool
}

// scenarios returns the scenarios in the order in which they run.
func scenarios() []scenario {
	return []scenario{
		{"idle", "connections that are open and quiet", (*bench).idle},
		{"fanout", "one channel with 5,000 subscribers, 256 bytes, one event at a time and in bursts of 32",
			(*bench).fanout},
		{"many", "2,000 channels with 5 subscribers each", (*bench).many},
		{"latency", "20 events a second to 1,000 subscribers, from publish to socket", (*bench).latency},
		{"storm", "15,000 clients that are disconnected at once and come back, each 50 events later", (*bench).storm},
		{"flood", "a tenant that floods events and connects, and another one that does not", (*bench).flood},
		{"deaf", "1,000 clients that never read among 5,000 that do", (*bench).deaf},
		{"deploy", "two nodes of the AWS form restarted one after the other under 5,000 clients", (*bench).deploy},
	}
}

type scenario struct {
	name, what string
	run        func(*bench) error
}

func main() {
	runOwn()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	only := flag.String("only", strings.Join(names, ","), "which `scenarios` to run")
	servers := flag.String("servers", "", "which `servers` to measure, of hookcast, hub, bare, nchan, pushpin, "+
		"net/http, fiber; all that a scenario has")
	b := &bench{}
	flag.IntVar(&b.rounds, "rounds", 5, "interleaved rounds, of which the medians are printed")
	flag.Parse()
	wanted := strings.Split(*only, ",")
	for _, w := range wanted {
		if !slices.Contains(names, w) {
			return fmt.Errorf("the scenario %q does not exist; the scenarios are %s", w, strings.Join(names, ", "))
		}
	}
	if *servers != "" {
		b.servers = strings.Split(*servers, ",")
	}
	if err := b.prepare(); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		os.RemoveAll(b.dir)
		os.Exit(1) // the servers end with this process
	}()
	for _, s := range scenarios() {
		if !slices.Contains(wanted, s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s: %s\n", s.name, s.what)
		b.report = report{}
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("\n%s: %s\n\n", s.name, s.what)
		b.report.print(os.Stdout)
	}
	if b.failed {
		return fmt.Errorf("some promises did not hold: see above")
	}
	return nil
}

func (b *bench) prepare() (err error) {
	if b.descriptors, err = raiseDescriptors(); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "hookcast-bench-"); err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	b.onebox = filepath.Join(b.dir, "onebox")
	if out, err := exec.Command("go", "build", "-o", b.onebox,
		"github.com/hookcast/hookcast/infra/onebox").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	fmt.Fprintf(os.Stderr, "%d cores, %d descriptors a process, %s\n", runtime.NumCPU(), b.descriptors,
		runtime.Version())
	return nil
}

// among returns those of names that are to be measured.
func (b *bench) among(names ...string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return len(b.servers) > 0 && !slices.Contains(b.servers, n) })
}

// with calls do with a fresh server. A server that is not installed is noted and left out.
func (b *bench) with(name string, do func(*server) error) error {
	fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), name)
	s, err := b.start(name)
	defer func() {
		if s != nil {
			s.stop()
		}
		for _, other := range b.also {
			other.stop()
		}
		b.also = nil
	}()
	if isMissing(err) {
		b.report.note(fmt.Sprintf("%s is not installed (Debian: %s)", name, packages[name]))
		return nil
	}
	if err != nil {
		return err
	}
	err = do(s)
	if _, peer := packages[name]; peer && err != nil {
		b.report.note(fmt.Sprintf("%s: %v", name, err)) // the failure of a peer does not end the benchmark
		return nil
	}
	if err != nil {
		s.processes.complain(os.Stderr)
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// hold notes whether a promise holds. of are the figures that it depends on; if one was not measured, nothing is
// noted.
func (b *bench) hold(what string, ok bool, of ...float64) {
	verdict := "holds"
	switch {
	case slices.ContainsFunc(of, math.IsNaN):
		return
	case !ok:
		verdict = "DOES NOT HOLD"
		b.failed = true
	}
	b.report.note(verdict + ": " + what)
}

// within checks a figure against a bound made of other figures.
func (b *bench) within(what string, figure, bound float64) {
	b.hold(what, figure <= bound, figure, bound)
}
