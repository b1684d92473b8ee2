package dynamo_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a client and DynamoDB Local, and does to each request what its script says.
type proxy struct {
	*httptest.Server
	to string

	mu     sync.Mutex
	script []fault
	seen   map[string]int // requests by operation
}

// fault is what befalls the next request of an operation.
type fault struct {
	op      string // "PutItem"; "" any
	forward bool   // it is carried out first
	status  int    // 0: the connection is closed without an answer; -1: there is no answer as long as the client waits
	body    string // the answer
}

// refuse is an error as DynamoDB tells it, without anything being done.
func refuse(op, code string) fault {
	status := http.StatusBadRequest
	if strings.HasPrefix(code, "Internal") || strings.HasPrefix(code, "ServiceUnavailable") {
		status = http.StatusInternalServerError
	}
	return fault{op: op, status: status, body: fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"by the test"}`, code)}
}

// cancelled is a transaction that was cancelled for reasons, one per op.
func cancelled(reasons ...string) fault {
	var list []string
	for _, r := range reasons {
		list = append(list, fmt.Sprintf(`{"Code":%q}`, r))
	}
	return fault{op: "TransactWriteItems", status: http.StatusBadRequest, body: fmt.Sprintf(
		`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"by the test","CancellationReasons":[%s]}`, strings.Join(list, ","))}
}

// lost is a request that is carried out, and its answer does not arrive.
func lost(op string) fault { return fault{op: op, forward: true} }

// failed is a request that is carried out, and then said to have failed.
func failed(op string) fault {
	f := refuse(op, "InternalServerError")
	f.forward = true
	return f
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
	p.Server = httptest.NewServer(p)
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

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	f, faulty := p.next(op)
	if !faulty || f.forward {
		status, header, answer, err := p.pass(r, body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if !faulty {
			for name, vs := range header {
				w.Header()[name] = vs
			}
			w.WriteHeader(status)
			_, _ = w.Write(answer)
			return
		}
	}
	switch f.status {
	case -1:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case 0:
		panic(http.ErrAbortHandler)
	default:
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(f.status)
		_, _ = io.WriteString(w, f.body)
	}
}

func (p *proxy) pass(r *http.Request, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, p.to+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, answer, err
}
