package main

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
)

// A terminating onebox waits up to five seconds for the answer of a delivery in progress. An answer within that time
// is kept; otherwise the attempt does not count, and the next process delivers the event.
func TestToldToEndWhileADeliveryHangs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers  bool // while onebox waits
		requests int64
	}{
		"the server answers in time": {true, 1},
		"the server never answers":   {false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			arrived, answer := make(chan struct{}, 1), make(chan struct{})
			receiver := endtoend.StartReceiver(t, func(r endtoend.Received) (int, string) {
				if r.Header.Get("Hookcast-Seq") != "1" {
					return 200, string(r.Body) // a challenge, or the next event
				}
				if requests.Add(1) == 1 {
					arrived <- struct{}{}
					<-answer
				}
				return 200, "taken"
			})
			answers := sync.OnceFunc(func() { close(answer) })
			t.Cleanup(answers) // also if the test fails: closing the server waits for it
			addr, data := peers.FreeAddr(), filepath.Join(t.TempDir(), "data")
			p := start(t, addr, data, "-allow-private", "-drain", "1s")
			tenant := p.Signup(t, "end")
			ep := p.Endpoint(t, tenant, receiver.URL, nil)
			event := publishOrder(t, p, tenant)
			<-arrived

			began, slow := time.Now(), false
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if tt.answers {
				await(t, "onebox to refuse requests", func() bool {
					a, err := p.Do(t.Context(), "GET", "/readyz", "", nil)
					return err != nil || a.Status != 200
				})
				answers()
				slow = time.Since(began) > 3*time.Second // on a slow machine the attempt may have been cancelled
			}
			p.wantExit(t)
			t.Logf("ended after %v", time.Since(began))
			if !tt.answers {
				answers()
			}

			p = start(t, addr, data, "-allow-private")
			next := publishOrder(t, p, tenant)
			wantDelivered(t, p, tenant, ep, event.ID, next.ID)
			if n := requests.Load(); n != tt.requests && !slow {
				t.Errorf("the receiver got %d requests, want %d", n, tt.requests)
			}
		})
	}
}

func publishOrder(t *testing.T, p *process, tenant endtoend.Tenant) (made endtoend.Accepted) {
	t.Helper()
	p.Must(t, "POST", "/v1/channels/orders/events", tenant.Key, map[string]any{"type": "order", "data": 1}).
		Want(t, 202).JSON(t, &made)
	return made
}

// wantExit wants the process to end without an error.
func (p *process) wantExit(t *testing.T) {
	t.Helper()
	err := <-p.exited
	p.exited <- err
	if err != nil {
		t.Errorf("onebox ended with %v", err)
	}
}

// wantDelivered wants each event to be delivered to the endpoint with one attempt.
func wantDelivered(t *testing.T, p *process, tenant endtoend.Tenant, ep endtoend.Endpoint, ids ...string) {
	t.Helper()
	for _, id := range ids {
		var page struct{ Data []endtoend.Delivery }
		await(t, "the delivery of "+id, func() bool {
			a := p.Must(t, "GET", "/v1/deliveries?endpoint="+ep.ID+"&event="+id, tenant.Key, nil).
				Want(t, 200, 404)
			if a.Status == 404 { // accepted, but not in the log yet
				return false
			}
			a.JSON(t, &page)
			return len(page.Data) == 1 && page.Data[0].State == "delivered"
		})
		if page.Data[0].Made != 1 {
			t.Errorf("the delivery is %+v, want 1 attempt", page.Data[0])
		}
	}
}
