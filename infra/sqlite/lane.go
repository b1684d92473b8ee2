package sqlite

import (
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// lane is what the writer keeps in memory of one queue: which groups may be received, so that nobody has to search the messages of
// blocked ones. All of it follows from the messages in the file. It is the writer's goroutine's, the first four fields excepted, which never change.
type lane struct {
	name        string
	dead        *lane // its dead letters; nil: they stay
	visibility  time.Duration
	maxReceives int

	waiters []*job // receivers, in the order in which they came

	ready   []string        // groups that may have messages, and of which none is hidden
	isReady map[string]bool // the same
	held    map[int64]hold  // hidden messages of groups
	hidden  map[string]int  // how many of a group those are; none: no entry

	loose    bool  // messages without a group may be visible
	next     int64 // when the first of held becomes visible, or earlier; 0: none is held
	nextHint int64 // the same of messages without a group

	touched bool // by the transaction that is open
	stale   bool // does not follow from the file any more
}

type hold struct {
	group string
	until int64 // ms
}

// lane returns the lane of that name. A new one reads the file when it is first used.
func (w *writer) lane(name string, dead *lane, visibility time.Duration, maxReceives int) *lane {
	w.laneMu.Lock()
	defer w.laneMu.Unlock()
	l := w.named[name]
	if l == nil {
		l = &lane{name: name, dead: dead, visibility: visibility, maxReceives: maxReceives, stale: true}
		w.named[name] = l
	}
	return l
}

// adopt makes l one of the lanes whose waiters the writer serves. Those that bury come before those that hold dead letters.
func (w *writer) adopt(l *lane) {
	switch {
	case slices.Contains(w.lanes, l):
	case l.dead == nil:
		w.lanes = append(w.lanes, l)
	default:
		w.lanes = slices.Insert(w.lanes, 0, l)
	}
}

// use makes l ready for a transaction: known to the writer, and as the file has it.
func (l *lane) use(t *tx) error {
	t.adopt(l)
	l.touched = true
	if !l.stale {
		return l.lapse(t)
	}
	l.isReady, l.held, l.hidden = map[string]bool{}, map[int64]hold{}, map[string]int{}
	l.ready, l.next, l.loose = nil, 0, true
	if err := t.st.nextLoose.QueryRowContext(background, l.name, t.ms).Scan(&l.nextHint); err != nil {
		return err
	}
	if err := l.loadHolds(t); err != nil {
		return err
	}
	groups, err := t.st.groups.QueryContext(background, l.name)
	if err != nil {
		return err
	}
	defer groups.Close()
	for groups.Next() {
		var g string
		if err := groups.Scan(&g); err != nil {
			return err
		}
		l.offer(g)
	}
	l.stale = groups.Err() != nil
	return groups.Err()
}

func (l *lane) loadHolds(t *tx) error {
	holds, err := t.st.holds.QueryContext(background, l.name, t.ms)
	if err != nil {
		return err
	}
	defer holds.Close()
	for holds.Next() {
		var id int64
		var h hold
		if err := holds.Scan(&id, &h.group, &h.until); err != nil {
			return err
		}
		l.hide(id, h)
	}
	return holds.Err()
}

func (l *lane) keep() { l.touched = false }

func (l *lane) undo() {
	l.stale = l.stale || l.touched
	l.touched = false
}

// offer makes a group ready unless one of it is hidden.
func (l *lane) offer(group string) {
	if group != "" && l.hidden[group] == 0 && !l.isReady[group] {
		l.isReady[group] = true
		l.ready = append(l.ready, group)
	}
}

func (l *lane) hide(id int64, h hold) {
	if _, ok := l.held[id]; !ok {
		l.hidden[h.group]++
	}
	l.held[id] = h
	l.next = earlier(l.next, h.until)
}

func (l *lane) show(id int64) {
	h, ok := l.held[id]
	if !ok {
		return
	}
	delete(l.held, id)
	if l.hidden[h.group]--; l.hidden[h.group] == 0 {
		delete(l.hidden, h.group)
		l.offer(h.group)
	}
}

// lapse shows what has become visible by itself.
func (l *lane) lapse(t *tx) error {
	now := t.ms
	if l.next > 0 && l.next <= now {
		l.next = 0
		for id, h := range l.held {
			if h.until <= now {
				l.show(id)
			} else {
				l.next = earlier(l.next, h.until)
			}
		}
	}
	if l.nextHint > 0 && l.nextHint <= now {
		l.loose = true
		return t.st.nextLoose.QueryRowContext(background, l.name, now).Scan(&l.nextHint)
	}
	return nil
}

// nextVisible is when a message becomes visible by itself, or earlier; 0: none does.
func (l *lane) nextVisible() int64 {
	if l.next == 0 || l.nextHint > 0 && l.nextHint < l.next {
		return l.nextHint
	}
	return l.next
}

// serveWaiters hands out what there is to those who wait for it.
func (l *lane) serveWaiters(t *tx) error {
	if len(l.waiters) == 0 {
		return nil
	}
	if err := l.use(t); err != nil {
		return err
	}
	waiting := l.waiters
	l.waiters = nil
	for i, j := range waiting {
		if len(l.ready) == 0 && !l.loose && !j.withdrawn() {
			l.waiters = append(l.waiters, j)
			continue
		}
		if !j.claim() {
			continue
		}
		err := j.run(t)
		if err == nil && !j.waits {
			t.served = append(t.served, j)
			continue
		}
		l.enqueue(j)
		if err != nil {
			l.waiters = append(l.waiters, waiting[i+1:]...)
			return err
		}
	}
	return nil
}

// enqueue puts j, which the writer has claimed, to those who wait. One whose caller has given up meanwhile is answered: there is nothing.
func (l *lane) enqueue(j *job) {
	j.waited = true
	if j.park() {
		l.waiters = append(l.waiters, j)
	} else {
		j.done <- nil
	}
}

// abandon answers all who wait.
func (l *lane) abandon(err *tenants.Error) {
	for _, j := range l.waiters {
		if j.claim() {
			j.done <- err
		}
	}
	l.waiters = nil
}

func earlier(a, b int64) int64 {
	if a == 0 || b < a {
		return b
	}
	return a
}
