package sqlite

import (
	"database/sql"
	"errors"

	"github.com/hookcast/hookcast/tenants"
)

// write does all of ops, or returns the first that is refused, -1 for none. Conditions come before all writing, so that a refusal has
// nothing to take back and costs the rest of the batch nothing.
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

// writeOne does one op where its condition holds, and tells whether it does.
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

// exec runs a statement that writes the row at k, and tells whether it did.
func (t *tx) exec(k tenants.Key, st *sql.Stmt, args ...any) (bool, error) {
	n, err := t.execute(st, args...)
	if err != nil || n == 0 {
		return false, err
	}
	return true, t.tell(k)
}

// tell records for the feeds that the row at k has changed.
func (t *tx) tell(k tenants.Key) error {
	if t.feeds == 0 || t.tells != nil && !t.tells(k.Kind) {
		return nil
	}
	t.news = true
	seq := t.nextChange
	t.nextChange++
	_, err := t.execute(t.st.change, seq, k.Tenant, k.Kind, k.Sort)
	return err
}
