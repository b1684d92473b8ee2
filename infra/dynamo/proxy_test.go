package dynamo_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/hookcast/hookcast/infra/awslocal/between"
)

// proxy is a proxy between a client and DynamoDB Local. It treats each request as its script says.
type proxy struct {
	*between.Proxy
	to string

	mu     sync.Mutex
	script []fault
	seen   map[string]int // requests by operation
}

// fault says how the next request of an operation is treated.
type fault struct {
	op      string         // such as "PutItem"; "" for any
	forward bool           // DynamoDB Local executes it first
	silent  bool           // there is no response while the client waits
	answer  between.Answer // the response; the zero Answer closes the connection
}

// refuse returns a fault that responds with an error of DynamoDB's and has no effect.
func refuse(op, code string) fault { return fault{op: op, answer: between.DynamoDBError(code)} }

// cancelled returns a fault that cancels a transaction for the reasons, one for each op.
func cancelled(reasons ...string) fault {
	return fault{op: "TransactWriteItems", answer: between.DynamoDBCancelled(reasons...)}
}

// lost returns a fault whose request is executed but gets no response.
func lost(op string) fault { return fault{op: op, forward: true} }

// failed returns a fault whose request is executed but reported as failed.
func failed(op string) fault {
	f := refuse(op, "InternalServerError")
	f.forward = true
	return f
}

// passed returns a fault whose request is executed and reported as successful.
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

// plan sets the faults of the following requests. All must have occurred by the next plan or the end of the test.
func (p *proxy) plan(t *testing.T, fs ...fault) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.script); n > 0 {
		t.Errorf("%d faults did not occur, the first is %+v", n, p.script[0])
	}
	p.script, p.seen = fs, map[string]int{}
}

// requests returns the number of requests of op since the last plan.
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
