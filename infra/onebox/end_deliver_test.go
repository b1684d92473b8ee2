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

// Told to end while somebody's server has yet to answer a delivery, onebox waits for it for five seconds. An answer that comes by then is kept; one that does
// not costs no attempt, and the next process delivers the event.
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
					return 200, string(r.Body) // a challenge, or the event behind
				}
				if requests.Add(1) == 1 {
					arrived <- struct{}{}
					<-answer
				}
				return 200, "taken"
			})
			answers := sync.OnceFunc(func() { close(answer) })
			t.Cleanup(answers) // also where the test fails: the server's end waits for it
			addr, data := peers.FreeAddr(), filepath.Join(t.TempDir(), "data")
			p := start(t, addr, data, "-allow-private", "-drain", "1s")
			tenant := p.Signup(t, "end")
			ep := p.Endpoint(t, tenant, receiver.URL, nil)
			publish := func() (made endtoend.Accepted) {
				p.Must(t, "POST", "/v1/channels/orders/events", tenant.Key, map[string]any{"type": "order", "data": 1}).Want(t, 202).JSON(t, &made)
				return made
			}
			event := publish()
			<-arrived

			began, slow := time.Now(), false
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if tt.answers {
				await(t, "onebox takes no more requests", func() bool {
					a, err := p.Do(t.Context(), "GET", "/readyz", "", nil)
					return err != nil || a.Status != 200
				})
				answers()
				slow = time.Since(began) > 3*time.Second // so slow a machine may have broken the attempt off
			}
			err := <-p.exited
			p.exited <- err
			t.Logf("ended after %v", time.Since(began))
			if err != nil {
				t.Errorf("ended with %v", err)
			}
			if !tt.answers {
				answers()
			}

			p = start(t, addr, data, "-allow-private")
			behind := publish()
			for _, id := range []string{event.ID, behind.ID} {
				var page struct{ Data []endtoend.Delivery }
				await(t, "the delivery of "+id, func() bool {
					a := p.Must(t, "GET", "/v1/deliveries?endpoint="+ep.ID+"&event="+id, tenant.Key, nil).Want(t, 200, 404)
					if a.Status == 404 { // accepted, and not in the log yet
						return false
					}
					a.JSON(t, &page)
					return len(page.Data) == 1 && page.Data[0].State == "delivered"
				})
				if page.Data[0].Made != 1 {
					t.Errorf("%+v", page.Data[0])
				}
			}
			if n := requests.Load(); n != tt.requests && !slow {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}
