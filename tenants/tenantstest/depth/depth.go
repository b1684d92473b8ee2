// Package depth says how far tests go. By default they take a few minutes together; with HOOKCAST_TESTS=all in the
// environment, as .ci/run sets it, each goes as far as it can.
package depth

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

var schedules = flag.Uint64("schedules", 0,
	"how many random schedules each simulation tries; 0: 1000 with HOOKCAST_TESTS=all, else 200")

// All reports whether tests go as far as they can.
func All() bool { return os.Getenv("HOOKCAST_TESTS") == "all" }

// NeedsAll skips a test that takes too long for every day.
func NeedsAll(t testing.TB) {
	t.Helper()
	if !All() {
		t.Skip("it takes long: .ci/run runs it, or go test with HOOKCAST_TESTS=all in the environment")
	}
}

// Of returns all when tests go as far as they can, else few.
func Of(few, all int) int {
	if All() {
		return all
	}
	return few
}

// Schedules returns how many random schedules a simulation tries, of those that take milliseconds each: one that takes
// longer tries a share of them. Under the race detector there is time for a fifth.
func Schedules() uint64 {
	n := *schedules
	if n == 0 {
		n = uint64(Of(200, 1000))
	}
	if Race {
		n /= 5
	}
	return n
}

// Parallel lets n tests run at once that call t.Parallel, unless -parallel says how many. It is for a TestMain whose
// tests mostly wait: by default go test runs as many as there are CPUs.
func Parallel(n int) {
	flag.Parse()
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "test.parallel" {
			n, _ = strconv.Atoi(f.Value.String())
		}
	})
	_ = flag.Set("test.parallel", strconv.Itoa(n))
}
