package sqlite

import (
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// dedupeWindow is how long a deduplication id is remembered.
const dedupeWindow = 5 * time.Minute

// send writes m to the file. Its changes in memory are hints that a rollback need not undo: a ready group without
// messages is skipped.
func (l *lane) send(t *tx, m tenants.Message) error {
	if m.Dedupe != "" {
		n, err := t.execute(t.st.dedupe, l.name, m.Dedupe, t.ms+dedupeWindow.Milliseconds(), t.ms)
		if err != nil || n == 0 {
			return err
		}
	}
	id := t.nextMessage
	t.nextMessage++
	visible := t.ms + m.Delay.Milliseconds()
	if _, err := t.execute(t.st.send, id, l.name, m.Group, m.Dedupe, t.ms, visible, m.Body); err != nil {
		return err
	}
	switch {
	case l.stale:
	case m.Group != "":
		l.offer(m.Group)
	case m.Delay == 0:
		l.loose = true
	default:
		l.nextHint = earlier(l.nextHint, visible)
	}
	return nil
}

// take receives up to max messages.
func (l *lane) take(t *tx, max int) (got []tenants.Received, err error) {
	if err := l.use(t); err != nil {
		return nil, err
	}
	for len(got) < max && len(l.ready) > 0 {
		group := l.ready[0]
		l.ready = l.ready[1:]
		delete(l.isReady, group)
		found, err := l.find(t.st.oldest, group, l.name, group, max-len(got))
		if err != nil {
			return nil, err
		}
		kept, err := l.handOut(t, found)
		if err != nil {
			return nil, err
		}
		if len(kept) == 0 && len(found) > 0 {
			l.offer(group) // all of them are dead letters; others may follow
		}
		got = append(got, kept...)
	}
	for len(got) < max && l.loose {
		found, err := l.find(t.st.loose, "", l.name, t.ms, max-len(got))
		if err != nil {
			return nil, err
		}
		l.loose = len(found) == max-len(got)
		kept, err := l.handOut(t, found)
		if err != nil {
			return nil, err
		}
		got = append(got, kept...)
	}
	return got, nil
}

// stored is a message in the file.
type stored struct {
	id int64
	tenants.Received
}

func (l *lane) find(st *sql.Stmt, group string, args ...any) (found []stored, err error) {
	rows, err := st.QueryContext(background, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s stored
		var sent int64
		if err := rows.Scan(&s.id, &s.Receives, &s.Dedupe, &sent, &s.Body); err != nil {
			return nil, err
		}
		s.Group, s.Sent = group, time.UnixMilli(sent)
		found = append(found, s)
	}
	return found, rows.Err()
}

// handOut hides the found messages for their receiver, and moves those to the dead letters that were received too
// often.
func (l *lane) handOut(t *tx, found []stored) (kept []tenants.Received, err error) {
	until := t.ms + l.visibility.Milliseconds()
	for _, s := range found {
		if l.dead != nil && l.maxReceives > 0 && s.Receives >= l.maxReceives {
			if _, err := t.execute(t.st.bury, s.id, l.dead.name); err != nil {
				return nil, err
			}
			l.dead.loose = l.dead.loose || s.Group == ""
			if !l.dead.stale {
				l.dead.offer(s.Group)
			}
			continue
		}
		if _, err := t.execute(t.st.hold, s.id, until); err != nil {
			return nil, err
		}
		if s.Group != "" {
			l.hide(s.id, hold{s.Group, until})
		} else {
			l.nextHint = earlier(l.nextHint, until)
		}
		s.Receives++
		s.Receipt = receipt(s.id, s.Receives)
		kept = append(kept, s.Received)
	}
	return kept, nil
}

// done deletes a received message. That works even after its visibility timeout, unless it has been received again.
func (l *lane) done(t *tx, r tenants.Received) error {
	if err := l.use(t); err != nil {
		return err
	}
	id, receives, ok := parseReceipt(r.Receipt)
	if !ok {
		return nil
	}
	n, err := t.execute(t.st.done, id, l.name, receives)
	if n > 0 {
		l.show(id)
	}
	return err
}

// release makes a received message visible after delay.
func (l *lane) release(t *tx, r tenants.Received, delay time.Duration) error {
	if err := l.use(t); err != nil {
		return err
	}
	id, receives, ok := parseReceipt(r.Receipt)
	if !ok {
		return nil
	}
	visible := t.ms + delay.Milliseconds()
	n, err := t.execute(t.st.release, id, l.name, receives, visible, t.ms)
	if err != nil || n == 0 {
		return err
	}
	h, grouped := l.held[id]
	switch {
	case grouped && delay > 0:
		l.hide(id, hold{h.group, visible})
	case grouped:
		l.show(id)
	case delay > 0:
		l.nextHint = earlier(l.nextHint, visible)
	default:
		l.loose = true
	}
	return nil
}

// receipt returns a handle for one receive of a message. The next receive makes it invalid.
func receipt(id int64, receives int) string {
	return strconv.FormatInt(id, 10) + "-" + strconv.Itoa(receives)
}

func parseReceipt(s string) (id int64, receives int, ok bool) {
	a, b, _ := strings.Cut(s, "-")
	id, err := strconv.ParseInt(a, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	receives, err = strconv.Atoi(b)
	return id, receives, err == nil
}
