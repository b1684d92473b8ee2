package relay_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/streamer/relay"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// cluster is several nodes on one table and queue, and another server in memory, under a simulated clock.
type cluster struct {
	t       *testing.T
	table   *tenantstest.Table
	log     *eventlog.Log
	proxies *proxy.Proxies
	intake  *intake.Intake
	tenant  tenants.TenantID
	proxy   string
	nodes   map[string]*member

	mu     sync.Mutex
	opened int
	open   int
	ids    bool
	next   int           // the number of the next event
	tick   time.Duration // between two events
	last   []string      // Last-Event-ID of each request
}

type member struct {
	*relay.Relay
	id     string
	mu     sync.Mutex
	dead   bool
	atHeld func() // called once, by the next Held
}

func (n *member) ID() string { return n.id }
func (n *member) Held() bool {
	n.mu.Lock()
	held, hook := !n.dead, n.atHeld
	n.atHeld = nil
	n.mu.Unlock()
	if hook != nil {
		hook()
	}
	return held
}

// Send delivers notices between the nodes.
func (c *cluster) Send(_ context.Context, to string, ns ...tenants.InboxMessage) error {
	n := c.nodes[to]
	if n == nil || !n.Held() {
		return tenants.Errorf(tenants.NotFound, "node_not_found", "there is no such node")
	}
	for _, notice := range ns {
		if notice.Order != nil && notice.Order.Do == tenants.OrderLetGo {
			n.LetGo(notice.Tenant, notice.Order.Run)
		}
	}
	return nil
}

type anywhere struct{}

func (anywhere) CheckURL(_ context.Context, raw string) (string, error) { return raw, nil }

func newCluster(t *testing.T, ids bool, names ...string) *cluster {
	c := &cluster{t: t, table: tenantstest.NewTable(tenantstest.Faults{}), nodes: make(map[string]*member), ids: ids,
		next: 1, tick: time.Second}
	vault := tenantstest.NewVault()
	accounts := account.NewAccounts(c.table, account.NewNews(c.table, c))
	made, _, _, err := accounts.Signup(t.Context(), "Acme", "ops@example.com")
	c.must(err)
	c.tenant = made.ID
	c.log = eventlog.New(c.table)
	queue := tenantstest.NewQueue(tenantstest.QueueOptions{})
	c.intake = intake.NewIntake(accounts, c.log, queue)
	c.proxies = proxy.NewProxies(c.table, accounts, vault, anywhere{})
	proxy, err := c.proxies.Create(t.Context(), c.tenant,
		proxy.Spec{Name: "p", URL: "https://example.com/", Channel: "prices"})
	c.must(err)
	c.proxy = proxy.ID
	interest := node.NewInterest(c.table)
	appender := intake.NewAppender(c.log, interest, c, queue)
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { appender.Run(ctx, 1) })
	for _, name := range names {
		c.join(name)
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.Close()
		}
		stop()
		work.Wait()
	})
	return c
}

func (c *cluster) join(name string) {
	n := &member{id: name}
	c.must(c.table.Write(c.t.Context(), tenants.Put(node.Key(name), []byte("{}"), time.Time{},
		tenants.Anything())))
	n.Relay = relay.New(relay.Options{
		Opener: c, Memory: relay.NewMemory(c.log, node.NewInterest(c.table)), Deliver: func(...tenants.InboxMessage) {},
		Runs: proxy.NewRuns(c.table, c),
		Feed: proxy.NewFeed(c.intake, c.log), Log: c.log, Node: n,
		Subscribers: func(context.Context, tenants.TenantID, string) int {
			return 0
		},
	})
	c.nodes[name] = n
}

// kill makes a node die: its lease ends, and it does nothing more.
func (c *cluster) kill(name string) {
	n := c.nodes[name]
	n.mu.Lock()
	n.dead = true
	n.mu.Unlock()
	c.must(c.table.Write(c.t.Context(), tenants.Delete(node.Key(name), tenants.Anything())))
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) sit(name string) *relay.Seat {
	c.t.Helper()
	call, err := c.proxies.Call(c.t.Context(), c.tenant, c.proxy, nil)
	c.must(err)
	seat, err := c.nodes[name].Join(c.t.Context(), c.tenant, call, 0)
	c.must(err)
	return seat
}

// Open implements tenants.Opener: an event each tick, starting at the request's position.
func (c *cluster) Open(ctx context.Context, o tenants.Outgoing) (*http.Response, tenants.Failure) {
	c.mu.Lock()
	c.opened++
	c.open++
	last := strings.Join(o.Header["Last-Event-Id"], "")
	c.last = append(c.last, last)
	from := c.next
	if last != "" {
		fmt.Sscan(last, &from)
		from++
	}
	c.mu.Unlock()
	r, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { r.CloseWithError(ctx.Err()) })
	go func() {
		defer func() {
			c.mu.Lock()
			c.open--
			c.mu.Unlock()
			stop()
			w.CloseWithError(io.ErrUnexpectedEOF)
		}()
		io.WriteString(w, "retry: 1000\n\n")
		for n := from; ; n++ {
			if n >= c.number() {
				select {
				case <-time.After(c.tick):
				case <-ctx.Done():
					return
				}
				c.advance(n + 1)
			}
			id := ""
			if c.ids {
				id = fmt.Sprintf("id: %d\n", n)
			}
			if _, err := fmt.Fprintf(w, "%sdata: %d\n\n", id, n); err != nil {
				return
			}
		}
	}()
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: r}, ""
}

func (c *cluster) number() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next
}

func (c *cluster) advance(to int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = max(c.next, to)
}

// connections returns how many are open and how many were made.
func (c *cluster) connections() (open, opened int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open, c.opened
}

// history returns the data of the channel's events; of Hookcast's own events, their types.
func (c *cluster) history() (all []string) {
	c.t.Helper()
	for after := int64(0); ; {
		page, err := c.log.Read(c.t.Context(), c.tenant, "prices", after, 1000, tenants.Retention{})
		c.must(err)
		if len(page.Events) == 0 {
			return all
		}
		for _, e := range page.Events {
			if after = e.Seq; strings.HasPrefix(e.Type, "hookcast.") {
				all = append(all, e.Type)
			} else {
				all = append(all, string(e.Data))
			}
		}
	}
}

func TestManyNodesHaveOneUpstreamThatClosesWithTheLastListenerOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, true, "nod_a", "nod_b", "nod_c")
		seats := []*relay.Seat{c.sit("nod_a"), c.sit("nod_b"), c.sit("nod_c"), c.sit("nod_b")}
		time.Sleep(5 * time.Second)
		if open, opened := c.connections(); open != 1 || opened != 1 {
			t.Errorf("%d connections open, %d made", open, opened)
		}
		for _, s := range seats[:3] { // the node that runs it has no listeners of its own any more
			s.Leave()
		}
		time.Sleep(30 * time.Second)
		if open, opened := c.connections(); open != 1 || opened != 1 {
			t.Errorf("while one listens: %d open, %d made", open, opened)
		}
		seats[3].Leave()
		time.Sleep(time.Second)
		synctest.Wait()
		if open, _ := c.connections(); open != 0 {
			t.Error("a second behind the last listener the upstream is open")
		}
		got := c.history()
		for i, data := range got[1:] {
			if data != fmt.Sprint(i+1) {
				t.Fatalf("event %d is %q", i+1, data)
			}
		}
		if len(got) < 30 {
			t.Errorf("%d events", len(got))
		}
	})
}

func TestWhenTheNodeThatRunsItDiesAnotherGoesOnWithoutLossOrRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, true, "nod_a", "nod_b")
		c.sit("nod_a")
		listener := c.sit("nod_b")
		time.Sleep(10*time.Second + time.Second/2)
		c.kill("nod_a")
		time.Sleep(20 * time.Second)
		if open, _ := c.connections(); open != 1 {
			t.Errorf("%d connections are open", open)
		}
		listener.Leave()
		time.Sleep(time.Second)
		synctest.Wait()
		want := 1
		for _, data := range c.history() {
			if strings.HasPrefix(data, "hookcast.") {
				continue
			}
			if data != fmt.Sprint(want) {
				t.Fatalf("event %d is %q", want, data)
			}
			want++
		}
		if want < 28 {
			t.Errorf("%d events in 30 s", want-1)
		}
	})
}

func TestWhereTheUpstreamCannotGoOnATakeoverIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, false, "nod_a", "nod_b")
		c.sit("nod_a")
		listener := c.sit("nod_b")
		time.Sleep(5*time.Second + time.Second/2)
		c.kill("nod_a")
		time.Sleep(10 * time.Second)
		listener.Leave()
		synctest.Wait()
		last, told := 0, true
		for _, data := range c.history() {
			if data == proxy.TypeUpstreamGap {
				told = true
			}
			if strings.HasPrefix(data, "hookcast.") {
				continue
			}
			n := 0
			fmt.Sscan(data, &n)
			if n != last+1 && !told {
				t.Errorf("from %d to %d without a word", last, n)
			}
			last, told = n, false
		}
		if last < 10 {
			t.Errorf("it ended at %d", last)
		}
	})
}

// A listener that comes back to an upstream after a pause learns of a gap, or misses nothing.
func TestAnUpstreamThatNobodyHeardGoesOnWhereItWasLeft(t *testing.T) {
	for _, ids := range []bool{true, false} {
		t.Run(fmt.Sprintf("ids %v", ids), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, ids, "nod_a")
				c.sit("nod_a").Leave()
				time.Sleep(time.Second)
				s := c.sit("nod_a")
				time.Sleep(5 * time.Second)
				s.Leave()
				time.Sleep(time.Minute)
				c.advance(50)
				s = c.sit("nod_a")
				time.Sleep(5 * time.Second)
				s.Leave()
				synctest.Wait()
				got := strings.Join(c.history(), " ")
				_, gap := strings.CutSuffix(strings.TrimRight(got, "0123456789 "), proxy.TypeUpstreamGap)
				if ids && (gap || !strings.Contains(got, " 6 7 8 ") &&
					!strings.Contains(got, "hookcast.upstream 6 ")) || !ids && !gap {
					t.Errorf("the channel has %s", got)
				}
			})
		})
	}
}

func TestANodeThatGoesLeavesTheUpstreamToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, true, "nod_a", "nod_b")
		c.sit("nod_a")
		c.sit("nod_b")
		time.Sleep(5 * time.Second)
		c.nodes["nod_a"].Close()
		time.Sleep(5 * time.Second)
		if open, opened := c.connections(); open != 1 || opened != 2 {
			t.Errorf("%d connections open, %d made", open, opened)
		}
	})
}

// TestARunIsGivenBackOnceNobodyReadsItsLease checks the order of watching and ending: giving a run back clears the
// lease's node, which the watch of the upstream reads.
func TestARunIsGivenBackOnceNobodyReadsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, true, "nod_a")
		c.tick = time.Hour // only the watch asks whether the lease is held
		c.sit("nod_a")
		call, err := c.proxies.Call(t.Context(), c.tenant, c.proxy, nil)
		c.must(err)
		runs, n := proxy.NewRuns(c.table, c), c.nodes["nod_a"]
		held := func() bool {
			_, held, err := runs.Look(t.Context(), c.tenant, call.Run)
			c.must(err)
			return held
		}
		time.Sleep(5 * time.Second)
		n.mu.Lock()
		n.atHeld = func() { time.Sleep(10 * time.Second) }
		n.mu.Unlock()
		time.Sleep(6 * time.Second)
		go n.Close()
		time.Sleep(2 * time.Second)
		if !held() {
			t.Error("the run was given back while its lease was being read")
		}
		time.Sleep(10 * time.Second)
		if held() {
			t.Error("the run was not given back")
		}
	})
}
