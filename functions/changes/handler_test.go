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

// world implements the dependencies of a handler.
type world struct {
	counted []string           // kinds of the changes passed to Count
	lost    []int              // indexes that Count fails
	indexed int                // number of changes passed to Add
	missing []int              // indexes that Add fails
	sent    int                // number of changes passed to Persist
	unsent  []int              // indexes that Persist fails
	told    []tenants.TenantID // tenants passed to Send
	deaf    tenants.TenantID   // the tenant for which Send fails
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

// decode decodes the test's records, which have a tenant and a kind. A record without a kind is an error.
func decode(record []byte) (tenants.Change, error) {
	var r struct{ Tenant, Kind string }
	if err := json.Unmarshal(record, &r); err != nil || r.Kind == "" {
		return tenants.Change{}, tenants.Errorf(tenants.Internal, "row_undecodable", "an item is not a valid row")
	}
	return tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: tenants.TenantID(r.Tenant),
		Kind: tenants.Kind(r.Kind)}}}, nil
}

// batch passes an event with records "tenant kind", numbered from 100, to the handler, and returns its response.
func (w *world) batch(t *testing.T, records ...string) string {
	t.Helper()
	var e changes.Event
	for i, r := range records {
		tenant, kind, _ := strings.Cut(r, " ")
		e.Records = append(e.Records,
			json.RawMessage(fmt.Sprintf(`{"tenant":%q,"kind":%q,"dynamodb":{"SequenceNumber":"%d"}}`, tenant,
				kind, 100+i)))
	}
	out, err := changes.Handler(changes.Options{
		Decode: decode, Usage: w, Index: w, Out: w, News: w, Logger: slog.New(slog.NewJSONHandler(&w.log, nil)),
		Measure: func(...slog.Attr) {},
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
		t.Errorf("response %s, want no failures", got)
	}
	if w.indexed != 5 || w.sent != 5 {
		t.Errorf("%d changes were indexed and %d dispatched, want 5", w.indexed, w.sent)
	}
	if !slices.Equal(w.counted, []string{"log/x", "version", "version", "version", "log/y"}) ||
		!slices.Equal(w.told, []tenants.TenantID{"a", "b"}) {
		t.Errorf("counted %q and told %q, want all five and each tenant once", w.counted, w.told)
	}
	if !strings.Contains(w.log.String(), `"tenants":["a","b"],"records":5`) {
		t.Errorf("logged %s, want both tenants and 5 records", &w.log)
	}
}

func TestTheFirstThatFailedIsNamed(t *testing.T) {
	if got := (&world{lost: []int{2, 3}}).batch(t, "a log/x", "a log/x", "a log/y", "a log/y"); got != failedFrom(102) {
		t.Errorf("response %s if Count fails 2 and 3, want %s", got, failedFrom(102))
	}
	if got := (&world{unsent: []int{1, 2}}).batch(t, "a log/x", "a log/x", "a log/y"); got != failedFrom(101) {
		t.Errorf("response %s if Persist fails 1 and 2, want %s", got, failedFrom(101))
	}
	if got := (&world{lost: []int{2}, missing: []int{1, 2}}).batch(t, "a log/x", "a log/x",
		"a log/y"); got != failedFrom(101) {
		t.Errorf("response %s if Add fails 1 and 2, want %s", got, failedFrom(101))
	}
	w := &world{deaf: "b"}
	if got := w.batch(t, "a version", "b version", "c version", "b version"); got != failedFrom(101) ||
		len(w.told) != 3 {
		t.Errorf("response %s if Send fails for b, want %s; told %q, want 3 tenants", got, failedFrom(101), w.told)
	}
}

// A record that cannot be decoded is left to Lambda's retries and failure destination. The other records are handled.
func TestAnUnknownRecordFailsAlone(t *testing.T) {
	w := &world{}
	if got := w.batch(t, "a log/x", "unknown ", "a log/y", "a version"); got != failedFrom(101) {
		t.Errorf("response %s, want %s", got, failedFrom(101))
	}
	if len(w.counted) != 3 || len(w.told) != 1 || !strings.Contains(w.log.String(), "row_undecodable") {
		t.Errorf("counted %q, told %q and logged %s, want 3, 1 and row_undecodable", w.counted, w.told, &w.log)
	}
	w = &world{lost: []int{1}} // the second decoded record, which is the batch's third
	if got := w.batch(t, "unknown ", "a log/x", "a log/y"); got != failedFrom(100) {
		t.Errorf("response %s for a failure after the unknown record, want %s", got, failedFrom(100))
	}
	w = &world{lost: []int{1}}
	if got := w.batch(t, "a log/x", "a log/y", "unknown "); got != failedFrom(101) {
		t.Errorf("response %s for a failure before the unknown record, want %s", got, failedFrom(101))
	}
}

func TestAnEmptyBatchIsFine(t *testing.T) {
	if got := (&world{}).batch(t); got != none {
		t.Errorf("response %s, want no failures", got)
	}
}
