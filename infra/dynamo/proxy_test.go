package dynamo_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/hookcast/hookcast/infra/awslocal/between"
)

// proxy stands between a client and DynamoDB Local, and does to each request what its script says.
type proxy struct {
	*between.Proxy
	to string

	mu     sync.Mutex
	script []fault
	seen   map[string]int // requests by operation
}

// fault is what befalls the next request of an operation.
type fault struct {
	op      string         // "PutItem"; "" any
	forward bool           // it is carried out first
	silent  bool           // there is no answer as long as the client waits
	answer  between.Answer // none: the connection is closed
}

// refuse is an error as DynamoDB tells it, without anything being done.
func refuse(op, code string) fault { return fault{op: op, answer: between.DynamoDBError(code)} }

// cancelled is a transaction that was cancelled for reasons, one per op.
func cancelled(reasons ...string) fault {
	return fault{op: "TransactWriteItems", answer: between.DynamoDBCancelled(reasons...)}
}

// lost is a request that is carried out, and its answer does not arrive.
func lost(op string) fault { return fault{op: op, forward: true} }

// failed is a request that is carried out, and then said to have failed.
func failed(op string) fault {
	f := refuse(op, "InternalServerError")
	f.forward = true
	return f
}

// passed is a request that is carried out, and answered as it should be.
func passed(op string) fault {
	return fault{op: op, forward: true, answer: between.Answer{Status: http.StatusOK, Body: []byte("{}")}}
}

func times(n int, f fault) (fs []fault) {
	for range n {
		fs = append(fs, f)
	}
	return fs
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{to: server.URL(t), seen: map[string]int{}}
	var err error
	if p.Proxy, err = between.Open(p.to, p.answer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// plan sets what happens to the requests from now on. All of it must have happened by the next plan, or the test's end.
func (p *proxy) plan(t *testing.T, fs ...fault) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.script); n > 0 {
		t.Errorf("%d faults never happened, first %+v", n, p.script[0])
	}
	p.script, p.seen = fs, map[string]int{}
}

// requests returns how many there were of op since the last plan.
func (p *proxy) requests(op string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[op]
}

func (p *proxy) next(op string) (fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[op]++
	for i, f := range p.script {
		if f.op == op || f.op == "" {
			p.script = append(p.script[:i:i], p.script[i+1:]...)
			return f, true
		}
	}
	return fault{}, false
}

func (p *proxy) answer(r *between.Request) between.Answer {
	f, faulty := p.next(r.Op)
	switch {
	case !faulty:
		return r.Pass()
	case f.forward:
		r.Pass()
	case f.silent:
		<-r.Context().Done()
	}
	return f.answer
}
