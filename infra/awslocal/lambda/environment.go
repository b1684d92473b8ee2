package lambda

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/hookcast/hookcast/infra/awslocal/process"
)

// initTimeout is Lambda's limit for the start of an environment.
const initTimeout = 10 * time.Second

// environment is a process of the function and the Runtime API that it uses.
type environment struct {
	f      *Function
	child  *process.Process
	server *http.Server
	began  time.Time
	asked  sync.Once // done when the process asks for its first invocation

	next   chan *invocation // the process receives from it when it asks
	broken chan struct{}    // closed when the initialisation has failed
	fail   sync.Once
	reason string // why broken is closed

	mu      sync.Mutex
	current *invocation
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	done     chan outcome // has room for one
}

type outcome struct {
	answer []byte
	err    error
}

func (f *Function) start() (*environment, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &environment{f: f, next: make(chan *invocation), broken: make(chan struct{}), began: time.Now()}
	e.server = &http.Server{Handler: e.api(), ReadHeaderTimeout: 10 * time.Second}
	cmd := exec.Command(f.o.Binary)
	cmd.Stdout, cmd.Stderr = f.o.Log, f.o.Log
	cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + ln.Addr().String(),
		"AWS_LAMBDA_FUNCTION_NAME=" + f.o.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.o.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"_HANDLER=bootstrap", "TZ=:UTC",
	}, f.o.Environment...)
	if e.child, err = process.Start(cmd); err != nil {
		ln.Close()
		return nil, err
	}
	go func() { _ = e.server.Serve(ln) }() // runs until close
	return e, nil
}

// invoke passes the payload to the process and waits for the answer.
func (e *environment) invoke(payload []byte) ([]byte, error) {
	inv := &invocation{id: newID(), payload: payload, done: make(chan outcome, 1)}
	start := time.NewTimer(initTimeout)
	defer start.Stop()
	select {
	case e.next <- inv:
	case <-e.broken:
		e.child.Kill()
		return nil, &Error{"Runtime.InitError", e.reason}
	case <-e.child.Ended():
		return nil, e.exited()
	case <-start.C:
		e.child.Kill()
		return nil, &Error{"Sandbox.Timedout", "the process did not ask for an invocation within 10 s"}
	}
	timeout := time.NewTimer(e.f.o.Timeout)
	defer timeout.Stop()
	select {
	case o := <-inv.done:
		return o.answer, o.err
	case <-e.child.Ended():
		select {
		case o := <-inv.done: // it answered before it ended
			return o.answer, o.err
		default:
		}
		return nil, e.exited()
	case <-timeout.C:
		e.child.Kill()
		return nil, &Error{"Sandbox.Timedout", fmt.Sprintf("Task timed out after %.2f seconds",
			e.f.o.Timeout.Seconds())}
	}
}

func (e *environment) exited() error {
	how := "exit status 0"
	if err := e.child.Err(); err != nil {
		how = err.Error()
	}
	return &Error{"Runtime.ExitError", "the process ended: " + how}
}

// usable reports whether the environment can take another invocation.
func (e *environment) usable() bool {
	select {
	case <-e.child.Ended():
		return false
	case <-e.broken:
		return false
	default:
		return true
	}
}

func (e *environment) close() {
	e.child.Kill()
	_ = e.server.Close()
}
