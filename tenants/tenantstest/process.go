package tenantstest

import (
	"context"
	"sync"

	"github.com/hookcast/hookcast/tenants"
)

// Process stands between one process and its dependencies, and stops it in the ways in which processes stop. The
// wrapped dependencies are shared with other processes, which continue.
type Process struct {
	mu      sync.Mutex
	running chan struct{} // closed unless frozen
	cut     bool
	killed  bool
}

// NewProcess returns a running Process.
func NewProcess() *Process {
	p := &Process{running: make(chan struct{})}
	close(p.running)
	return p
}

// Freeze stops the process like SIGSTOP: every call is held up, before it acts or before it returns, until Thaw.
func (p *Process) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.running:
		p.running = make(chan struct{})
	default:
	}
}

// Thaw resumes the process.
func (p *Process) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.running:
	default:
		close(p.running)
	}
}

// Cut makes every call fail without acting, until Mend.
func (p *Process) Cut() { p.set(func() { p.cut = true }) }

// Mend undoes Cut.
func (p *Process) Mend() { p.set(func() { p.cut = false }) }

// Kill ends the process: its calls no longer act. The test ends its goroutines.
func (p *Process) Kill() {
	p.set(func() { p.killed = true })
	p.Thaw()
}

// Killed reports whether the process was killed.
func (p *Process) Killed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed
}

func (p *Process) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// Wait returns once the process is not frozen, for work that a test does in its name.
func (p *Process) Wait() {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	<-running
}

// call makes a call on behalf of the process.
func (p *Process) call(do func() error) error {
	p.Wait()
	p.mu.Lock()
	lost := p.cut || p.killed
	p.mu.Unlock()
	if lost {
		return errUnavailable
	}
	err := do()
	p.Wait()
	return err
}

// Table returns t as the process sees it.
func (p *Process) Table(t tenants.Table) tenants.Table { return processTable{Table: t, p: p} }

type processTable struct {
	tenants.Table
	p *Process
}

func (t processTable) Get(ctx context.Context, k tenants.Key) (row tenants.Row, err error) {
	err = t.p.call(func() error { row, err = t.Table.Get(ctx, k); return err })
	return row, err
}

func (t processTable) Query(ctx context.Context, r tenants.Range) (rows []tenants.Row, err error) {
	err = t.p.call(func() error { rows, err = t.Table.Query(ctx, r); return err })
	return rows, err
}

func (t processTable) Write(ctx context.Context, ops ...tenants.Op) error {
	return t.p.call(func() error { return t.Table.Write(ctx, ops...) })
}

func (t processTable) WriteEach(ctx context.Context, ops ...tenants.Op) (done int, err error) {
	err = t.p.call(func() error { done, err = t.Table.WriteEach(ctx, ops...); return err })
	return done, err
}

// Inboxes returns in as the process sees it.
func (p *Process) Inboxes(in *Inboxes) *ProcessInboxes { return &ProcessInboxes{all: in, p: p} }

// ProcessInboxes are Inboxes as one process sees them.
type ProcessInboxes struct {
	all *Inboxes
	p   *Process
}

// Send implements tenants.Inboxes.
func (in *ProcessInboxes) Send(ctx context.Context, node string, ns ...tenants.InboxMessage) error {
	return in.p.call(func() error { return in.all.Send(ctx, node, ns...) })
}

// Create implements tenants.InboxMaker.
func (in *ProcessInboxes) Create(ctx context.Context, node string) error {
	return in.p.call(func() error { return in.all.Create(ctx, node) })
}

// Delete implements tenants.InboxMaker.
func (in *ProcessInboxes) Delete(ctx context.Context, node string) error {
	return in.p.call(func() error { return in.all.Delete(ctx, node) })
}

// Open returns the reading end of a node's inbox.
func (in *ProcessInboxes) Open(node string) tenants.Inbox {
	return processInbox{inbox: in.all.Open(node), p: in.p}
}

type processInbox struct {
	inbox tenants.Inbox
	p     *Process
}

func (b processInbox) Receive(ctx context.Context) (ns []tenants.InboxMessage, _ func(context.Context) error,
	err error) {
	var done func(context.Context) error
	err = b.p.call(func() error { ns, done, err = b.inbox.Receive(ctx); return err })
	if err != nil {
		return nil, nil, err
	}
	return ns, func(ctx context.Context) error { return b.p.call(func() error { return done(ctx) }) }, nil
}
