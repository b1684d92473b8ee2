package hub

import (
	"sync"

	"github.com/hookcast/hookcast/tenants"
)

// queue hands out work round robin over tenants, in order within each: a tenant with a thousand items gets the same
// turn as one with a single item.
type queue[T any] struct {
	mu     sync.Mutex
	some   sync.Cond
	lines  map[tenants.TenantID]*line[T]
	turns  fifo[*line[T]] // the lines that have work
	closed bool
}

type line[T any] struct {
	tenant tenants.TenantID
	work   fifo[T]
}

func (q *queue[T]) init() {
	q.some.L = &q.mu
	q.lines = make(map[tenants.TenantID]*line[T])
}

func (q *queue[T]) push(t tenants.TenantID, work T) {
	q.mu.Lock()
	l := q.lines[t]
	if l == nil {
		l = &line[T]{tenant: t}
		q.lines[t] = l
		q.turns.push(l)
	}
	l.work.push(work)
	q.mu.Unlock()
	q.some.Signal()
}

// pop waits for work. It returns false once the queue is closed.
func (q *queue[T]) pop() (work T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.turns.len() == 0 && !q.closed {
		q.some.Wait()
	}
	if q.closed {
		return work, false
	}
	l := q.turns.pop()
	work = l.work.pop()
	if l.work.len() > 0 {
		q.turns.push(l)
	} else {
		delete(q.lines, l.tenant)
	}
	return work, true
}

func (q *queue[T]) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.some.Broadcast()
}

// fifo is a queue in a slice that is reused once it is empty.
type fifo[T any] struct {
	items []T
	first int
}

func (f *fifo[T]) len() int { return len(f.items) - f.first }

func (f *fifo[T]) push(item T) {
	if f.first > 32 && f.first > len(f.items)/2 {
		n := copy(f.items, f.items[f.first:])
		clear(f.items[n:])
		f.items, f.first = f.items[:n], 0
	}
	f.items = append(f.items, item)
}

func (f *fifo[T]) pop() T {
	var none T
	item := f.items[f.first]
	f.items[f.first] = none
	f.first++
	if f.first == len(f.items) {
		f.items, f.first = f.items[:0], 0
		if cap(f.items) > 1024 {
			f.items = nil
		}
	}
	return item
}
