package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/stacks"
)

// awaitProcess waits until all processes of that name have other ids than before.
func (r *running) awaitProcess(t testing.TB, name string, before []int) []int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if now := r.processes(t)[name]; len(now) > 0 && !slices.ContainsFunc(now, func(pid int) bool {
			return slices.Contains(before, pid)
		}) {
			return now
		}
	}
	t.Fatalf("%s was not replaced within 30 s", name)
	return nil
}

// Environments that are killed with events in progress, and a node that is killed and replaced, lose nothing.
func TestKilledProcessesAreReplacedAndNothingIsLost(t *testing.T) {
	p := start(t)
	t.Parallel() // it mostly waits for the queue
	tenant := p.Signup(t, "killed")
	token := p.Token(t, tenant, "page", "orders")
	source := p.GitHubSource(t, tenant, "orders")
	stream := p.node(1).MustSubscribe(t, token, "", nil, "orders")
	for n := 1; n <= 40; n++ {
		a, err := p.GitHub(t.Context(), source, "delivery-"+itoa(n), []byte(`{"n":`+itoa(n)+`}`))
		if err != nil {
			t.Fatal(err)
		}
		a.Want(t, 202)
		if n%10 == 0 {
			for _, pid := range p.processes(t)["append"] {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if n == 20 {
			before := p.processes(t)["streamer-1"]
			_ = syscall.Kill(before[0], syscall.SIGKILL)
			p.awaitProcess(t, "streamer-1", before)
		}
	}
	late := time.AfterFunc(2*time.Minute, stream.Close) // events of a killed environment return after the queue's 30 s
	defer late.Stop()
	for n := 1; n <= 40; n++ {
		f, err := stream.NextEvent()
		if err != nil || f.ID != itoa(n) || f.Data != `{"n":`+itoa(n)+`}` {
			t.Fatalf("got %+v, %v, want event %d", f, err, n)
		}
	}
	if err := awaitReady(t.Context(), "http://"+p.streams[0]+"/readyz"); err != nil {
		t.Fatal(err)
	}
	back := p.node(0).MustSubscribe(t, token, "35", nil, "orders")
	for n := 36; n <= 40; n++ {
		wantNumber(t, back, n)
	}
}

// Each program lists in one line all variables of the template that its environment lacks, and ends with status 1.
func TestAProgramWithoutItsEnvironmentSaysSo(t *testing.T) {
	p := start(t)
	top, err := stacks.Load("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := top.Deploy("x", stacks.Place{QueueURL: func(name string) string { return name }}, map[string]string{
		"ApiDomainName": "a", "StreamDomainName": "b", "CertificateArn": "c", "OperatorKeyHash": "d",
		"StreamerImageTag": "e",
	})
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string]map[string]string{"streamerd/streamerd": d.Tasks[0].Environment}
	for _, f := range d.Functions {
		programs[f.Name+"/bootstrap"] = f.Environment
	}
	optional := []string{"HOOKCAST_LOG_LEVEL", "HOOKCAST_TARGET_GROUP_ARN"}
	for program, environment := range programs {
		binary, name := filepath.Join(p.data, "build", program), filepath.Dir(program)
		said := failing(t, binary, "AWS_REGION="+region)
		got := regexp.MustCompile(`HOOKCAST_\w+`).FindAllString(said, -1)
		var want, all []string
		for v := range environment {
			if !slices.Contains(optional, v) {
				want = append(want, v)
				all = append(all, v+"="+environment[v])
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || !strings.HasPrefix(said, name+": missing in the environment: ") {
			t.Errorf("%s printed %q, want it to list %q", program, said, want)
		}
		if said := failing(t, binary, all...); said != name+": missing in the environment: AWS_REGION\n" {
			t.Errorf("%s without a region printed %q", program, said)
		}
	}
}

// failing runs a program that must end by itself with status 1, and returns the one line that it prints.
func failing(t *testing.T, binary string, environment ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true"}, environment...)
	out, err := cmd.CombinedOutput()
	if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != 1 || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%s ended with %v and printed %q, want status 1 and one line", binary, err, out)
	}
	return string(out)
}

// A provider waits for a cold start. The bound is far above the usual time, for busy machines.
func TestFunctionsStartQuickly(t *testing.T) {
	p := start(t)
	for _, name := range []string{"ingest", "append", "changes", "deliver", "admin", "sweep"} {
		m := regexp.MustCompile(`INIT_REPORT Init Duration: ([0-9.]+ ms)`).FindStringSubmatch(p.log(t, name))
		if m == nil {
			t.Errorf("%s logged no start", name)
			continue
		}
		d, err := time.ParseDuration(strings.ReplaceAll(m[1], " ", ""))
		if err != nil || d > 5*time.Second {
			t.Errorf("%s took %v to start (%v), want at most 5 s", name, d, err)
		}
		t.Logf("%s: %v", name, d)
	}
}
