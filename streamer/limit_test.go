//go:build linux

package streamer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
)

const (
	limitedEnv  = "HOOKCAST_TEST_DESCRIPTORS"
	descriptors = 200
)

// TestLimitedServer is no test: it is the server of the one below, in a process of its own that may hold few descriptors.
func TestLimitedServer(t *testing.T) {
	if os.Getenv(limitedEnv) == "" {
		t.Skip("the server of TestPastTheDescriptorLimitNoStreamIsLostAndReadinessIsRed")
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: descriptors, Max: descriptors}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	tenant, key := w.tenant(t)
	none := int64(0)
	limits := map[string]*int64{"connections_per_ip": &none, "connects_per_second": &none}
	if _, err := w.accounts.UpdateAsOperator(t.Context(), tenant, tenants.OperatorPatch{Limits: limits}); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("serving %s %s\n", w.addr, key)
	in := bufio.NewReader(os.Stdin)
	for i := 0; ; i++ { // an event for each line that comes in
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
		w.publish(t, tenant, "a", fmt.Sprint(i))
	}
}

func TestPastTheDescriptorLimitNoStreamIsLostAndReadinessIsRed(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestLimitedServer$", "-test.v")
	cmd.Env = append(os.Environ(), limitedEnv+"=1")
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	w, key := &world{}, ""
	out := bufio.NewReader(stdout)
	for key == "" {
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("the server did not start: %v", err)
		}
		fmt.Sscanf(line, "serving %s %s", &w.addr, &key)
	}
	go io.Copy(io.Discard, out)
	ready := func() int {
		c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := c.Get("http://" + w.addr + "/readyz")
		if err != nil {
			return 0
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := ready(); got != 200 {
		t.Fatalf("/readyz at first: %d", got)
	}

	// More streams than there are descriptors: those over the mark are asked to come back, none in place is lost.
	var open []*stream
	shed := 0
	for range descriptors + 50 {
		s := w.open(t, "/v1/stream?channel=a", auth(key), eventSource)
		switch e := s.next(t); {
		case e.Name == sse.Open:
			open = append(open, s)
		case e.Name == sse.Quota && strings.Contains(string(e.Data), "node_full"):
			shed++
			s.Close()
		default:
			t.Fatalf("%s %s", e.Name, e.Data)
		}
	}
	mark := descriptors * 9 / 10
	if len(open) < mark-5 || len(open) > mark || shed == 0 {
		t.Errorf("%d streams are open, %d were shed; the mark is %d", len(open), shed, mark)
	}
	if got := ready(); got != 503 {
		t.Errorf("/readyz at the mark: %d", got)
	}

	// Now clients that connect and say nothing, until descriptors run out, and a good many more.
	var silent []net.Conn
	for range descriptors {
		c, err := net.DialTimeout("tcp", w.addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
	}
	if got := ready(); got == 200 {
		t.Errorf("/readyz without descriptors: %d", got)
	}
	io.WriteString(stdin, "\n")
	for i, s := range open {
		if e := s.next(t); string(e.Data) != "0" {
			t.Fatalf("stream %d: %v", i, e)
		}
	}
	for _, c := range silent {
		c.Close()
	}
	for _, s := range open[len(open)/2:] {
		s.Close()
	}
	eventually(t, "it recovers", func() bool { return ready() == 200 })
	if s := w.open(t, "/v1/stream?channel=a", auth(key)); s.next(t).Name != sse.Open {
		t.Error("no stream after it recovered")
	}
	io.WriteString(stdin, "\n")
	for i, s := range open[:len(open)/2] {
		if e := s.next(t); string(e.Data) != "1" {
			t.Fatalf("stream %d: %v", i, e)
		}
	}
}
