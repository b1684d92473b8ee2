package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// However awslocal is ended, after or during its start, no process outlives it.
func TestNoProcessIsLeftBehind(t *testing.T) {
	start(t)
	t.Parallel()
	binary := filepath.Join(built.dir, "awslocal")
	for name, tt := range map[string]struct {
		program []string
		links   bool                           // the program links its binaries, which the others copy
		when    func(t *testing.T, r *running) // returns when the program is to end
		signal  syscall.Signal
		group   bool // the signal goes to every process of the group, as Ctrl-C in a terminal does
		status  int  // the program's exit status; -1: killed
	}{
		"Ctrl-C": {[]string{binary}, false, atWork, syscall.SIGINT, false, 0},
		// the status of go, however its program ended
		"Ctrl-C of go run":                {[]string{"go", "run", "."}, false, atWork, syscall.SIGINT, true, 1},
		"a kill":                          {[]string{binary}, false, atWork, syscall.SIGKILL, false, -1},
		"SIGTERM while it links":          {[]string{binary}, true, linking, syscall.SIGTERM, false, 0},
		"SIGTERM while the servers start": {[]string{binary}, false, starting, syscall.SIGTERM, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			if !tt.links {
				if err := copyBinaries(data); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Mkdir(data, 0o700); err != nil {
				t.Fatal(err)
			}
			r, err := begin(data, 2, tt.program...)
			if err != nil {
				t.Fatal(err)
			}
			defer r.out.Close()
			defer r.cmd.Process.Kill() // if the test fails before the end
			tt.when(t, r)
			pid := r.cmd.Process.Pid
			if tt.group {
				pid = -pid
			}
			if err := syscall.Kill(pid, tt.signal); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(time.Minute, func() { _ = r.cmd.Process.Kill() })
			defer late.Stop()
			<-r.exited
			if got := r.cmd.ProcessState.ExitCode(); got != tt.status || strings.Contains(r.said(), "awslocal: ") {
				t.Errorf("awslocal ended with status %d, want %d: %s", got, tt.status, r.said())
			}
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				left := session(t, r.cmd.Process.Pid)
				if len(left) == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("these processes still run: %q", left)
				}
			}
		})
	}
}

func atWork(t *testing.T, r *running) {
	if err := r.await(); err != nil {
		t.Fatal(err)
	}
	if n := len(session(t, r.cmd.Process.Pid)); n < 10 { // awslocal, five functions, two nodes, DynamoDB, SQS
		t.Errorf("%d processes run, want at least 10", n)
	}
}

func linking(t *testing.T, r *running) { awaitProgram(t, r, "link") }

func starting(t *testing.T, r *running) { awaitProgram(t, r, "java") }

func awaitProgram(t *testing.T, r *running, name string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, program := range session(t, r.cmd.Process.Pid) {
			if program == name {
				return
			}
		}
	}
	t.Fatalf("no process %s runs: %s", name, r.said())
}

// session returns the names of the programs that run in the session that pid leads or led. Zombies do not count.
func session(t *testing.T, pid int) (programs []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("this machine has no /proc")
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // ended in the meantime
		}
		line := string(b)
		begin, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
		fields := strings.Fields(line[end+1:]) // state, parent, process group, session, …: proc_pid_stat(5)
		if len(fields) > 3 && fields[0] != "Z" && fields[3] == strconv.Itoa(pid) {
			programs = append(programs, line[begin+1:end])
		}
	}
	return programs
}
