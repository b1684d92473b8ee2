//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/hookcast/hookcast/streamer/peers"
)

// processes are the processes of a server: those started here and their descendants.
type processes struct {
	commands []*exec.Cmd
	logs     []string // their log files
}

// start runs a program whose output goes to a log in dir.
func (p *processes) start(dir, name string, env []string, args ...string) error {
	log, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.log", filepath.Base(name), len(p.commands))))
	if err != nil {
		return err
	}
	defer log.Close()
	p.logs = append(p.logs, log.Name())
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.commands = append(p.commands, cmd)
	return nil
}

// stop ends the processes in reverse order of their start.
func (p *processes) stop() {
	for i := len(p.commands) - 1; i >= 0; i-- {
		cmd := p.commands[i]
		cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		late.Stop()
	}
	p.commands = nil
}

// complain writes the ends of their logs, without records of requests.
func (p *processes) complain(to io.Writer) {
	const most = 20
	for _, name := range p.logs {
		text, _ := os.ReadFile(name)
		lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(text)), "\n"), func(line string) bool {
			return strings.Contains(line, "level=INFO")
		})
		for _, line := range lines[max(0, len(lines)-most):] {
			fmt.Fprintf(to, "%s: %s\n", filepath.Base(name), line)
		}
	}
}

// listening waits until a server accepts connections at addr.
func listening(addr string) error {
	var err error
	for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		var conn net.Conn
		if conn, err = net.Dial("tcp", addr); err == nil {
			return conn.Close()
		}
	}
	return err
}

// pids returns the processes and their descendants.
func (p *processes) pids() []int {
	var pids []int
	for _, cmd := range p.commands {
		pids = append(pids, cmd.Process.Pid)
	}
	return peers.Family(pids...)
}

// cpu returns the user and system time of the processes.
func (p *processes) cpu() (sum time.Duration) {
	for _, pid := range p.pids() {
		var ts syscall.Timespec
		clock := uintptr(uint32((^int32(pid))<<3 | 2)) // the process's CPU clock: clock_getcpuclockid(3)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)),
			0); errno == 0 {
			sum += time.Duration(ts.Nano())
		}
	}
	return sum
}

// pss returns the memory of the processes in bytes, with a proportional share of each shared page.
func (p *processes) pss() (sum int64) {
	for _, pid := range p.pids() {
		sum += kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
	}
	return sum
}

// kilobytes reads a line such as "Pss: 12 kB" and returns bytes.
func kilobytes(path, name string) int64 {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// socketMemory returns the bytes in the kernel's TCP buffers, of both ends, on the whole machine.
func socketMemory() int64 {
	b, _ := os.ReadFile("/proc/net/sockstat")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 0 && f[0] == "TCP:" {
			for i := 1; i+1 < len(f); i += 2 {
				if f[i] == "mem" {
					n, _ := strconv.ParseInt(f[i+1], 10, 64)
					return n * int64(os.Getpagesize())
				}
			}
		}
	}
	return 0
}

// raiseDescriptors raises this process's limit of descriptors, which its children inherit, to the maximum.
func raiseDescriptors() (int, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	l.Cur = l.Max
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	return int(min(l.Max, 1<<30)), err
}
