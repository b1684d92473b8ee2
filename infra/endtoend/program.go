package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// Program stands in for the program that a developer works on, and records the requests it gets.
type Program struct {
	*httptest.Server
	mu      sync.Mutex
	arrived []Arrival
}

// Arrival is a request as it arrived.
type Arrival struct {
	Header http.Header
	Body   string
}

// NewProgram serves until the test ends, and answers every request with the status.
func NewProgram(t testing.TB, status int) *Program {
	p := &Program{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the request was cut off
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.arrived = append(p.arrived, Arrival{r.Header, string(body)})
		w.WriteHeader(status)
	}))
	t.Cleanup(p.Close)
	return p
}

// All returns all arrivals, in order.
func (p *Program) All() []Arrival {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.arrived)
}

// Bodies returns the bodies of All.
func (p *Program) Bodies() (bodies []string) {
	for _, a := range p.All() {
		bodies = append(bodies, a.Body)
	}
	return bodies
}

// Await waits for n arrivals, and reports an error if there are more.
func (p *Program) Await(t testing.TB, n int) []Arrival {
	t.Helper()
	await(t, fmt.Sprintf("%d requests to the developer's program", n), p.All, func(got []Arrival) bool {
		return len(got) >= n
	})
	got := p.All()
	if len(got) > n {
		t.Errorf("%d requests arrived, want %d", len(got), n)
	}
	return got
}
