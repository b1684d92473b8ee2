// Package changes follows the table's stream: it dispatches events to their endpoints, counts usage, indexes events,
// and tells the nodes about changes of tenants, in case the process that made the change could not.
//
// A record that this release cannot decode fails. Lambda halves the batch until the record is alone, retries it a few
// times, then reports it as a failure and continues with the next record. Everything done here may be done twice.
package changes

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/tenants"
)

// Usage counts the events among changes and returns the indexes of those that it could not count.
// *tenants.MonthlyUsage implements it.
type Usage interface {
	Count(ctx context.Context, changes []tenants.Change) (failed []int, err error)
}

// Index adds the events among changes to the list of events of all channels and returns the indexes of those that it
// could not add. *tenants.EventIndex implements it.
type Index interface {
	Add(ctx context.Context, changes []tenants.Change) (failed []int, err error)
}

// Dispatcher queues each event among changes for its endpoints, retries until ctx ends, and returns the indexes of
// those that it could not queue. *tenants.Dispatcher implements it.
type Dispatcher interface {
	Persist(ctx context.Context, changes []tenants.Change) (failed []int, err error)
}

// News tells all nodes that the tenant has changed. *tenants.News implements it.
type News interface {
	Send(ctx context.Context, tenant tenants.TenantID) error
}

// Options are a Handler's dependencies.
type Options struct {
	// Decode decodes one of the event's Records. The table's adapter provides it.
	Decode  func(record []byte) (tenants.Change, error)
	Usage   Usage
	Index   Index
	Out     Dispatcher
	News    News
	Logger  *slog.Logger
	Measure func(values ...slog.Attr)
}

// Event is a batch of a stream's records as Lambda passes it.
type Event struct{ Records []json.RawMessage }

// Handler returns the handler for lambda.Start.
func Handler(o Options) func(context.Context, Event) (events.DynamoDBEventResponse, error) {
	return func(ctx context.Context, e Event) (events.DynamoDBEventResponse, error) {
		begin := time.Now()
		within, cancel := batch.Within(ctx)
		defer cancel()
		log := o.Logger.With("request_id", batch.RequestID(ctx))
		decoded, places, failed := o.decode(within, log, e.Records)
		for _, i := range o.takeIn(within, log, decoded) {
			failed = append(failed, places[i])
		}
		for _, i := range o.tell(within, log, decoded) {
			failed = append(failed, places[i])
		}
		slices.Sort(failed)
		failed = slices.Compact(failed)
		o.Measure(slog.Int("Changes", len(e.Records)), slog.Int("ChangesFailed", len(failed)))
		log.InfoContext(ctx, "batch", "tenants", batch.TenantsOf(owners(decoded)), "records", len(e.Records),
			"failed", len(failed), "ms", time.Since(begin).Milliseconds())
		return batch.Records(sequence(e.Records), failed), nil
	}
}

// takeIn concurrently dispatches, counts and indexes the events, and returns the indexes of those that must be retried.
func (o Options) takeIn(ctx context.Context, log *slog.Logger, decoded []tenants.Change) (failed []int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, consumer := range []struct {
		take    func(context.Context, []tenants.Change) ([]int, error)
		message string
	}{
		{o.Out.Persist, "cannot dispatch events"}, {o.Usage.Count, "cannot count usage"},
		{o.Index.Add, "cannot index events"},
	} {
		all.Go(func() {
			lost, err := consumer.take(ctx, decoded)
			if err != nil {
				log.WarnContext(ctx, consumer.message, "error", err)
			}
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, lost...)
		})
	}
	all.Wait()
	return failed
}

// owners yields the tenants of the rows.
func owners(changes []tenants.Change) iter.Seq[tenants.TenantID] {
	return func(yield func(tenants.TenantID) bool) {
		for _, c := range changes {
			if !yield(c.Row.Tenant) {
				return
			}
		}
	}
}

// decode returns the decoded changes, the index of each in records, and the indexes of records that cannot be decoded.
func (o Options) decode(
	ctx context.Context, log *slog.Logger, records []json.RawMessage,
) (decoded []tenants.Change, places, failed []int) {
	for i, r := range records {
		c, err := o.Decode(r)
		if err != nil {
			log.ErrorContext(ctx, "cannot decode a record of the stream", "error", err)
			failed = append(failed, i)
			continue
		}
		decoded, places = append(decoded, c), append(places, i)
	}
	return decoded, places, failed
}

// tell sends news about each changed tenant once, and returns the indexes of changes whose news could not be sent.
func (o Options) tell(ctx context.Context, log *slog.Logger, decoded []tenants.Change) (failed []int) {
	told := make(map[tenants.TenantID]error)
	for i, c := range decoded {
		tenant, ok := c.VersionTenant()
		if !ok {
			continue
		}
		err, done := told[tenant]
		if !done {
			if err = o.News.Send(ctx, tenant); err != nil {
				log.WarnContext(ctx, "cannot tell the nodes about a change of the tenant", "tenant", tenant,
					"error", err)
			}
			told[tenant] = err
		}
		if err != nil {
			failed = append(failed, i)
		}
	}
	return failed
}

// sequence returns records that have only their sequence numbers, which is all that a response needs.
func sequence(records []json.RawMessage) []events.DynamoDBEventRecord {
	rs := make([]events.DynamoDBEventRecord, len(records))
	for i, r := range records {
		var numbered struct {
			DynamoDB struct{ SequenceNumber string } `json:"dynamodb"`
		}
		if err := json.Unmarshal(r, &numbered); err == nil {
			rs[i].Change.SequenceNumber = numbered.DynamoDB.SequenceNumber
		}
	}
	return rs
}
