package sqlite

import (
	"database/sql"
	"errors"

	"github.com/hookcast/hookcast/tenants"
)

// write writes all ops, or returns the index of the first one that is refused; -1 means none. It checks all
// conditions before it writes, so a refusal needs no rollback and does not affect the rest of the batch.
func (t *tx) write(ops []tenants.Op) (refused int, err error) {
	if len(ops) > 1 {
		for i, o := range ops {
			if ok, err := t.holds(o); err != nil || !ok {
				return i, err
			}
		}
	}
	for i, o := range ops {
		if ok, err := t.writeOne(o); err != nil || !ok {
			return i, err
		}
	}
	return -1, nil
}

// holds reports whether the condition of o holds.
func (t *tx) holds(o tenants.Op) (bool, error) {
	want, at := o.If.Version()
	if !at && !o.If.IsAbsent() {
		return true, nil
	}
	var version int64
	k := o.Row.Key
	err := t.st.state.QueryRowContext(background, t.sec, k.Tenant, k.Kind, k.Sort).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return o.If.IsAbsent(), nil
	}
	return at && version == want, err
}

// writeOne writes o if its condition holds, and reports whether it does.
func (t *tx) writeOne(o tenants.Op) (bool, error) {
	k := o.Row.Key
	version, at := o.If.Version()
	args := []any{t.sec, k.Tenant, k.Kind, k.Sort}
	var st *sql.Stmt
	switch {
	case o.Action == tenants.ActionCheck:
		return t.holds(o)
	case o.Action == tenants.ActionDelete && at:
		st, args = t.st.delAt, append(args, version)
	case o.Action == tenants.ActionDelete:
		if ok, err := t.holds(o); err != nil || !ok {
			return ok, err
		}
		_, err := t.exec(k, t.st.delAny, args...)
		return err == nil, err
	default:
		body := o.Row.Body
		if body == nil {
			body = []byte{} // nil would be NULL
		}
		args = append(args, expirySeconds(o.Row.Expires), body)
		switch {
		case at:
			st, args = t.st.putAt, append(args, version)
		case o.If.IsAbsent():
			st = t.st.putAbsent
		default:
			st = t.st.putAny
		}
	}
	return t.exec(k, st, args...)
}

// exec runs a statement that writes the row at k, and reports whether it wrote it.
func (t *tx) exec(k tenants.Key, st *sql.Stmt, args ...any) (bool, error) {
	n, err := t.execute(st, args...)
	if err != nil || n == 0 {
		return false, err
	}
	return true, t.recordChange(k)
}

// recordChange records a change of the row at k for the feeds.
func (t *tx) recordChange(k tenants.Key) error {
	if t.feeds == 0 || t.feedKinds != nil && !t.feedKinds(k.Kind) {
		return nil
	}
	t.news = true
	seq := t.nextChange
	t.nextChange++
	_, err := t.execute(t.st.change, seq, k.Tenant, k.Kind, k.Sort)
	return err
}
