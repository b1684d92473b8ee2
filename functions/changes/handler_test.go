package changes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/functions/changes"
	"github.com/hookcast/hookcast/tenants"
)

// world is what a handler stands on.
type world struct {
	counted []string // kinds of what came to be counted
	lost    []int    // of those, what cannot be
	indexed int      // how many came to be indexed
	missing []int    // of those, what cannot be
	sent    int      // how many came to be dispatched
	unsent  []int    // of those, what cannot be
	told    []tenants.TenantID
	deaf    tenants.TenantID // of whom nobody can be told
	log     bytes.Buffer
}

func (w *world) Count(_ context.Context, cs []tenants.Change) ([]int, error) {
	for _, c := range cs {
		w.counted = append(w.counted, string(c.Row.Kind))
	}
	if w.lost != nil {
		return w.lost, errors.New("the table is down")
	}
	return nil, nil
}

func (w *world) Add(_ context.Context, cs []tenants.Change) ([]int, error) {
	w.indexed += len(cs)
	if w.missing != nil {
		return w.missing, errors.New("the index is down")
	}
	return nil, nil
}

func (w *world) Persist(_ context.Context, cs []tenants.Change) ([]int, error) {
	w.sent += len(cs)
	if w.unsent != nil {
		return w.unsent, errors.New("the queues are down")
	}
	return nil, nil
}

func (w *world) Send(_ context.Context, t tenants.TenantID) error {
	w.told = append(w.told, t)
	if t == w.deaf {
		return errors.New("an inbox is down")
	}
	return nil
}

// decode takes the test's records: a tenant and a kind, or nothing that is a row.
func decode(record []byte) (tenants.Change, error) {
	var r struct{ Tenant, Kind string }
	if err := json.Unmarshal(record, &r); err != nil || r.Kind == "" {
		return tenants.Change{}, tenants.Errorf(tenants.Internal, "row_undecodable", "an item is none of a row")
	}
	return tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: tenants.TenantID(r.Tenant), Kind: tenants.Kind(r.Kind)}}}, nil
}

// batch makes an event of records "tenant kind", numbered from 100.
func (w *world) batch(t *testing.T, records ...string) string {
	t.Helper()
	var e changes.Event
	for i, r := range records {
		tenant, kind, _ := strings.Cut(r, " ")
		e.Records = append(e.Records, json.RawMessage(fmt.Sprintf(`{"tenant":%q,"kind":%q,"dynamodb":{"SequenceNumber":"%d"}}`, tenant, kind, 100+i)))
	}
	out, err := changes.Handler(changes.Options{
		Decode: decode, Usage: w, Index: w, Out: w, News: w, Logger: slog.New(slog.NewJSONHandler(&w.log, nil)), Measure: func(...slog.Attr) {},
	})(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const none = `{"batchItemFailures":[]}`

func failedFrom(n int) string {
	return fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":"%d"}]}`, n)
}

func TestEventsAreCountedAndNewsIsToldOncePerTenant(t *testing.T) {
	w := &world{}
	if got := w.batch(t, "a log/x", "a version", "b version", "a version", "a log/y"); got != none {
		t.Errorf("answered %s", got)
	}
	if w.indexed != 5 || w.sent != 5 {
		t.Errorf("%d came to be indexed, %d to be dispatched", w.indexed, w.sent)
	}
	if !slices.Equal(w.counted, []string{"log/x", "version", "version", "version", "log/y"}) || !slices.Equal(w.told, []tenants.TenantID{"a", "b"}) {
		t.Errorf("counted %q, told %q", w.counted, w.told)
	}
	if !strings.Contains(w.log.String(), `"tenants":["a","b"],"records":5`) {
		t.Errorf("logged %s", &w.log)
	}
}

func TestTheFirstThatFailedIsNamed(t *testing.T) {
	if got := (&world{lost: []int{2, 3}}).batch(t, "a log/x", "a log/x", "a log/y", "a log/y"); got != failedFrom(102) {
		t.Errorf("uncounted: %s", got)
	}
	if got := (&world{unsent: []int{1, 2}}).batch(t, "a log/x", "a log/x", "a log/y"); got != failedFrom(101) {
		t.Errorf("not dispatched: %s", got)
	}
	if got := (&world{lost: []int{2}, missing: []int{1, 2}}).batch(t, "a log/x", "a log/x", "a log/y"); got != failedFrom(101) {
		t.Errorf("not indexed: %s", got)
	}
	w := &world{deaf: "b"}
	if got := w.batch(t, "a version", "b version", "c version", "b version"); got != failedFrom(101) || len(w.told) != 3 {
		t.Errorf("untold: %s, told %q", got, w.told)
	}
}

// A record that nobody can read is left to Lambda's retries and dead letters, and what stands beside it is done all the same.
func TestAnUnknownRecordFailsAlone(t *testing.T) {
	w := &world{}
	if got := w.batch(t, "a log/x", "unknown ", "a log/y", "a version"); got != failedFrom(101) {
		t.Errorf("answered %s", got)
	}
	if len(w.counted) != 3 || len(w.told) != 1 || !strings.Contains(w.log.String(), "row_undecodable") {
		t.Errorf("counted %q, told %q, logged %s", w.counted, w.told, &w.log)
	}
	w = &world{lost: []int{1}} // of what could be decoded: the batch's third
	if got := w.batch(t, "unknown ", "a log/x", "a log/y"); got != failedFrom(100) {
		t.Errorf("a failure behind the unknown one: %s", got)
	}
	w = &world{lost: []int{1}}
	if got := w.batch(t, "a log/x", "a log/y", "unknown "); got != failedFrom(101) {
		t.Errorf("a failure ahead of the unknown one: %s", got)
	}
}

func TestAnEmptyBatchIsFine(t *testing.T) {
	if got := (&world{}).batch(t); got != none {
		t.Errorf("answered %s", got)
	}
}
