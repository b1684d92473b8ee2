package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/awslocal/emulator"
)

var servers = map[string]struct {
	start          func(context.Context) (*emulator.Server, error)
	target, answer string // a listing operation, and a part of its answer
}{
	"DynamoDB": {emulator.DynamoDB, "DynamoDB_20120810.ListTables", "TableNames"},
	"SQS":      {emulator.SQS, "AmazonSQS.ListQueues", "{"},
}

// The child of TestAServerDiesWithItsParent starts a server, prints its URL, and waits to be killed.
func TestMain(m *testing.M) {
	if name := os.Getenv("EMULATOR_TEST_PARENT"); name != "" {
		s, err := servers[name].start(context.Background())
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.URL)
		select {}
	}
	os.Exit(m.Run())
}

func each(t *testing.T, f func(t *testing.T, name string)) {
	for name := range servers {
		t.Run(name, func(t *testing.T) { f(t, name) })
	}
}

func start(t *testing.T, name string) *emulator.Server {
	t.Helper()
	shared := emulator.Share(servers[name].start)
	shared.URL(t) // skips the test if a program is missing
	t.Cleanup(shared.Stop)
	s, err := servers[name].start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	if s.URL == shared.URL(t) {
		t.Errorf("two servers have the URL %s", s.URL)
	}
	return s
}

func call(t *testing.T, name, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", servers[name].target)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("Authorization",
		"AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/x/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d: %s", resp.StatusCode, b)
	}
	return string(b), err
}

func TestServersAnswerOnLoopbackOnlyAndStop(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		s := start(t, name)
		got, err := call(t, name, s.URL)
		if err != nil || !strings.Contains(got, servers[name].answer) {
			t.Errorf("the answer is %q (%v), want %q in it", got, err, servers[name].answer)
		}
		for _, ip := range otherAddresses(t) {
			_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
			if c, err := net.DialTimeout("tcp", net.JoinHostPort(ip, port), time.Second); err == nil {
				c.Close()
				t.Errorf("the server also listens on %s", ip)
			}
		}
		s.Stop()
		s.Stop()
		<-s.Ended()
		if _, err := call(t, name, s.URL); err == nil {
			t.Error("the server answers after Stop")
		}
	})
}

// otherAddresses returns this machine's addresses except for loopback.
func otherAddresses(t *testing.T) (ips []string) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP.String())
		}
	}
	return ips
}

func TestAServerDiesWithItsParent(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		start(t, name)
		parent := exec.Command(os.Args[0])
		parent.Env = append(os.Environ(), "EMULATOR_TEST_PARENT="+name)
		out, err := parent.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := parent.Start(); err != nil {
			t.Fatal(err)
		}
		var url string
		_, scanned := fmt.Fscanln(out, &url)
		_, before := call(t, name, url)
		_ = parent.Process.Kill()
		_ = parent.Wait()
		if scanned != nil || before != nil {
			t.Fatalf("the server did not answer: %v, %v", scanned, before)
		}
		for deadline := time.Now().Add(10 * time.Second); ; {
			if _, err := call(t, name, url); err != nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("the server runs 10 s after its parent ended")
			}
		}
	})
}

func TestWhatIsMissingIsSaidInOneLine(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for name, want := range map[string][]string{"DynamoDB": {"java", "npm"}, "SQS": {"node", "npm"}} {
		_, err := servers[name].start(t.Context())
		if _, ok := errors.AsType[*emulator.MissingError](err); !ok {
			t.Fatalf("%s: got the error %v, want a MissingError", name, err)
		}
		for _, program := range want {
			if !strings.Contains(err.Error(), program) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: the error is %q, want %s in one line", name, err, program)
			}
		}
	}
	if got := emulator.Missing(); len(got) != 3 {
		t.Errorf("got the missing programs %q, want 3", got)
	}
}

// verdict records what a Shared decides for a test.
type verdict struct{ skipped, failed string }

func (v *verdict) Helper()                           {}
func (v *verdict) Skipf(format string, args ...any)  { v.skipped += fmt.Sprintf(format, args...) }
func (v *verdict) Fatalf(format string, args ...any) { v.failed += fmt.Sprintf(format, args...) }

func TestAMissingProgramSkipsAndInCIFails(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CI", "")
	var v verdict
	emulator.Share(emulator.SQS).URL(&v)
	if !strings.Contains(v.skipped, "node") {
		t.Errorf("skipped with %q, want node named", v.skipped)
	}
	t.Setenv("CI", "true")
	v = verdict{}
	emulator.Share(emulator.SQS).URL(&v)
	if v.skipped != "" || !strings.Contains(v.failed, "node") {
		t.Errorf("in CI: skipped with %q, failed with %q", v.skipped, v.failed)
	}
}

func TestABrokenStartFailsTheTest(t *testing.T) {
	t.Setenv("CI", "")
	var v verdict
	s := emulator.Share(func(context.Context) (*emulator.Server, error) { return nil, errors.New("broken") })
	s.URL(&v)
	s.Stop()
	if v.skipped != "" || v.failed != "broken" {
		t.Errorf("skipped with %q, failed with %q, want the failure broken", v.skipped, v.failed)
	}
}
