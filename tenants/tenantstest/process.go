package tenantstest

import (
	"context"
	"sync"

	"github.com/hookcast/hookcast/tenants"
)

// Process stands between one process and what it stands on, and stops it in the ways that processes are stopped. What it wraps is
// shared with other processes, which go on.
type Process struct {
	mu      sync.Mutex
	running chan struct{} // closed unless frozen
	cut     bool
	killed  bool
}

// NewProcess returns a Process that runs.
func NewProcess() *Process {
	p := &Process{running: make(chan struct{})}
	close(p.running)
	return p
}

// Freeze stops the process, as SIGSTOP does: every call of its is held up, before it acts or before it returns, until Thaw.
func (p *Process) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.running:
		p.running = make(chan struct{})
	default:
	}
}

// Thaw lets the process go on.
func (p *Process) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.running:
	default:
		close(p.running)
	}
}

// Cut has every call fail without acting, until Mend.
func (p *Process) Cut() { p.set(func() { p.cut = true }) }

// Mend undoes Cut.
func (p *Process) Mend() { p.set(func() { p.cut = false }) }

// Kill ends the process: nothing that it calls acts any more. The test ends its goroutines.
func (p *Process) Kill() {
	p.set(func() { p.killed = true })
	p.Thaw()
}

// Killed tells whether the process was killed.
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

// Wait returns once the process is not frozen: for what a test does in its name.
func (p *Process) Wait() {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	<-running
}

// call makes a call in the process' name.
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

// Table is t as the process sees it.
func (p *Process) Table(t tenants.Table) tenants.Table { return processTable{t, p} }

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

// Inboxes is in as the process sees them.
func (p *Process) Inboxes(in *Inboxes) *ProcessInboxes { return &ProcessInboxes{in, p} }

// ProcessInboxes is Inboxes as one process sees them.
type ProcessInboxes struct {
	all *Inboxes
	p   *Process
}

// Send fulfils tenants.Inboxes.
func (in *ProcessInboxes) Send(ctx context.Context, node string, ns ...tenants.Notice) error {
	return in.p.call(func() error { return in.all.Send(ctx, node, ns...) })
}

// Create fulfils tenants.InboxMaker.
func (in *ProcessInboxes) Create(ctx context.Context, node string) error {
	return in.p.call(func() error { return in.all.Create(ctx, node) })
}

// Delete fulfils tenants.InboxMaker.
func (in *ProcessInboxes) Delete(ctx context.Context, node string) error {
	return in.p.call(func() error { return in.all.Delete(ctx, node) })
}

// Open returns the end of an inbox that its node reads.
func (in *ProcessInboxes) Open(node string) tenants.Inbox {
	return processInbox{in.all.Open(node), in.p}
}

type processInbox struct {
	inbox tenants.Inbox
	p     *Process
}

func (b processInbox) Receive(ctx context.Context) (ns []tenants.Notice, _ func(context.Context) error, err error) {
	var done func(context.Context) error
	err = b.p.call(func() error { ns, done, err = b.inbox.Receive(ctx); return err })
	if err != nil {
		return nil, nil, err
	}
	return ns, func(ctx context.Context) error { return b.p.call(func() error { return done(ctx) }) }, nil
}
