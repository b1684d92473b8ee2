package sqlite

import (
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// lane is the writer's state of one queue in memory. It knows which groups may be received, so that the messages of
// blocked groups are not searched. All of it can be derived from the messages in the file. Only the writer's
// goroutine uses a lane, except for the first four fields, which never change.
type lane struct {
	name        string
	dead        *lane // receives its dead letters; nil if messages are never moved
	visibility  time.Duration
	maxReceives int

	waiters []*job // receivers, in the order of their calls

	ready   []string        // groups that may have messages and have no hidden ones
	isReady map[string]bool // the same groups
	held    map[int64]hold  // hidden messages that have a group, by id
	hidden  map[string]int  // number of hidden messages of each group; no entry for 0

	loose    bool  // messages without a group may be visible
	next     int64 // lower bound of the time when the first of held becomes visible, in ms; 0 if held is empty
	nextHint int64 // the same for messages without a group

	touched bool // used by the open transaction
	stale   bool // does not match the file and must be read again
}

// hold is a hidden message.
type hold struct {
	group string
	until int64 // ms since 1970
}

// lane returns the lane with that name. A new lane reads the file on its first use.
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

// adopt adds l to the lanes whose waiters the writer serves. Lanes that produce dead letters come before those that
// receive them.
func (w *writer) adopt(l *lane) {
	switch {
	case slices.Contains(w.lanes, l):
	case l.dead == nil:
		w.lanes = append(w.lanes, l)
	default:
		w.lanes = slices.Insert(w.lanes, 0, l)
	}
}

// use prepares l for a transaction: the writer knows it, and it matches the file.
func (l *lane) use(t *tx) error {
	t.adopt(l)
	l.touched = true
	if !l.stale {
		return l.showExpired(t)
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

// offer makes a group ready unless it has hidden messages.
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

// showExpired shows messages whose hidden time is over.
func (l *lane) showExpired(t *tx) error {
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

// nextVisible returns a lower bound of the time when the next hidden message becomes visible, in ms; 0 means never.
func (l *lane) nextVisible() int64 {
	if l.next == 0 || l.nextHint > 0 && l.nextHint < l.next {
		return l.nextHint
	}
	return l.next
}

// serveWaiters gives visible messages to the receivers that wait.
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

// enqueue adds j, which the writer has claimed, to the waiters. If its caller has given up in the meantime, j ends
// without messages.
func (l *lane) enqueue(j *job) {
	j.waited = true
	if j.park() {
		l.waiters = append(l.waiters, j)
	} else {
		j.done <- nil
	}
}

// abandon ends all waiters with err.
func (l *lane) abandon(err *tenants.Error) {
	for _, j := range l.waiters {
		if j.claim() {
			j.done <- err
		}
	}
	l.waiters = nil
}

// earlier returns the earlier of two times; 0 as a means no time.
func earlier(a, b int64) int64 {
	if a == 0 || b < a {
		return b
	}
	return a
}
