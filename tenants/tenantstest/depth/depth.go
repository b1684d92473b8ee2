// Package depth says how thorough tests are. By default the whole suite takes a few minutes. With HOOKCAST_TESTS=all in
// the environment, as in .ci/run, no test is skipped for its length, and simulations try more schedules.
package depth

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

var schedules = flag.Uint64("schedules", 0,
	"how many random schedules each simulation tries; 0: 1000 with HOOKCAST_TESTS=all, else 200")

// All reports whether HOOKCAST_TESTS asks for everything.
func All() bool { return os.Getenv("HOOKCAST_TESTS") == "all" }

// NeedsAll skips a test that takes too long for every run, unless All.
func NeedsAll(t testing.TB) {
	t.Helper()
	if !All() {
		t.Skip("this test takes long; .ci/run runs it, and so does go test with HOOKCAST_TESTS=all in the environment")
	}
}

// Of returns all if All, else few.
func Of(few, all int) int {
	if All() {
		return all
	}
	return few
}

// Schedules returns how many random schedules a simulation tries if each takes milliseconds; one whose schedules take
// longer tries a share of them. Under the race detector it is a fifth.
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

// Parallel lets n tests that call t.Parallel run at once, unless the flag -parallel gives another number. A TestMain
// calls it if its tests mostly wait: by default go test runs one per CPU.
func Parallel(n int) {
	flag.Parse()
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "test.parallel" {
			n, _ = strconv.Atoi(f.Value.String())
		}
	})
	_ = flag.Set("test.parallel", strconv.Itoa(n))
}
