//go:build linux

package streamer

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/account"
)

// serverEnv makes a test process run as a server of its own, with that many descriptors (0: no change), so that a
// test can starve it and a benchmark can measure it without its clients.
const serverEnv = "HOOKCAST_TEST_SERVER"

// TestServerProcess is not a test: it is that server. It obeys lines on its standard input and answers each with one
// line.
func TestServerProcess(t *testing.T) {
	n, err := strconv.ParseUint(os.Getenv(serverEnv), 10, 32)
	if err != nil {
		return
	}
	if n > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, func(o *Options) { o.Logger = nil })
	tenant, key := w.tenant(t)
	none := int64(0)
	limits := map[string]*int64{"connections": &none, "connections_per_ip": &none, "connects_per_second": &none}
	if _, err := w.accounts.UpdateAsOperator(t.Context(), tenant, account.OperatorPatch{Limits: limits}); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("=serving %s %s\n", w.addr, key)
	events := 0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "publish":
			w.publish(t, tenant, "a", fmt.Sprint(events))
			events++
			fmt.Println("=published")
		case "weigh":
			fmt.Println("=weighs", pss(t), runtime.NumGoroutine())
		case "collect":
			runtime.GC()
			fmt.Println("=collected")
		}
	}
}

// pss returns the process's memory in bytes, including its share of shared pages.
func pss(t testing.TB) int64 {
	b, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\nPss:")
	var kb int64
	fmt.Sscan(rest, &kb)
	return kb << 10
}

// serverProcess is a server in a process of its own.
type serverProcess struct {
	world *world // its address only
	key   string
	in    *os.File
	out   *bufio.Reader
}

func startServer(t testing.TB, descriptors int) *serverProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerProcess$")
	cmd.Env = append(os.Environ(), serverEnv+"="+strconv.Itoa(descriptors))
	r, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdin, cmd.Stderr = r, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &serverProcess{world: &world{}, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	fmt.Sscanf(s.answer(t), "serving %s %s", &s.world.addr, &s.key)
	return s
}

// say sends an order and returns the answer.
func (s *serverProcess) say(t testing.TB, order string) string {
	t.Helper()
	if _, err := fmt.Fprintln(s.in, order); err != nil {
		t.Fatal(err)
	}
	return s.answer(t)
}

func (s *serverProcess) answer(t testing.TB) string {
	t.Helper()
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("the server said %q and then nothing: %v", line, err)
		}
		if answer, ok := strings.CutPrefix(line, "="); ok {
			return answer
		}
	}
}

// weigh returns the server's memory in bytes and its goroutines.
func (s *serverProcess) weigh(t testing.TB) (bytes int64, goroutines int) {
	t.Helper()
	if n, err := fmt.Sscanf(s.say(t, "weigh"), "weighs %d %d", &bytes, &goroutines); n != 2 {
		t.Fatal(err)
	}
	return bytes, goroutines
}

// ready returns the status of /readyz; 0 if there is no response.
func (s *serverProcess) ready() int {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get("http://" + s.world.addr + "/readyz")
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}
