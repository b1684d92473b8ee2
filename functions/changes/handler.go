// Package changes follows the table's stream: it gives events to the endpoints that they are for, counts usage, indexes events, and tells the nodes of what has changed about a tenant, in case that
// whoever changed it could not.
//
// A record that is no row of this release's has failed. Lambda halves the batch until it is alone, tries it a few times more and then
// notes it with the failures, and the shard goes on behind it. All that is done here can be done twice.
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

// Usage counts the events among changes, and returns the indexes of those that it could not: *tenants.MonthlyUsage.
type Usage interface {
	Count(ctx context.Context, changes []tenants.Change) (failed []int, err error)
}

// Index takes the events among changes into the list over all channels, and returns the indexes of those that it could not: *tenants.EventIndex.
type Index interface {
	Add(ctx context.Context, changes []tenants.Change) (failed []int, err error)
}

// Dispatcher sends each event among changes on its way to the endpoints that it is for, and returns the indexes of those that it could not, having tried for
// as long as ctx lets it: *tenants.Dispatcher.
type Dispatcher interface {
	Persist(ctx context.Context, changes []tenants.Change) (failed []int, err error)
}

// News tells all nodes that something about the tenant has changed: *tenants.News.
type News interface {
	Send(ctx context.Context, tenant tenants.TenantID) error
}

// Options are a Handler's dependencies.
type Options struct {
	// Decode makes a change of one of the event's Records: the table's adapter's.
	Decode  func(record []byte) (tenants.Change, error)
	Usage   Usage
	Index   Index
	Out     Dispatcher
	News    News
	Logger  *slog.Logger
	Measure func(values ...slog.Attr)
}

// Event is a batch of a stream's records as Lambda hands it over.
type Event struct{ Records []json.RawMessage }

// Handler is for lambda.Start.
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
		log.InfoContext(ctx, "batch", "tenants", batch.TenantsOf(owners(decoded)), "records", len(e.Records), "failed", len(failed), "ms", time.Since(begin).Milliseconds())
		return batch.Records(sequence(e.Records), failed), nil
	}
}

// takeIn dispatches the events, counts them and indexes them, all at once, and returns the indexes of those that are to come again.
func (o Options) takeIn(ctx context.Context, log *slog.Logger, decoded []tenants.Change) (failed []int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, way := range []struct {
		take func(context.Context, []tenants.Change) ([]int, error)
		said string
	}{
		{o.Out.Persist, "events were not dispatched"}, {o.Usage.Count, "usage was not counted"}, {o.Index.Add, "events were not indexed"},
	} {
		all.Go(func() {
			lost, err := way.take(ctx, decoded)
			if err != nil {
				log.WarnContext(ctx, way.said, "error", err)
			}
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, lost...)
		})
	}
	all.Wait()
	return failed
}

// owners yields whose the rows are.
func owners(changes []tenants.Change) iter.Seq[tenants.TenantID] {
	return func(yield func(tenants.TenantID) bool) {
		for _, c := range changes {
			if !yield(c.Row.Tenant) {
				return
			}
		}
	}
}

// decode returns the changes among the records, each with its place there, and the places of those that are none.
func (o Options) decode(ctx context.Context, log *slog.Logger, records []json.RawMessage) (decoded []tenants.Change, places, failed []int) {
	for i, r := range records {
		c, err := o.Decode(r)
		if err != nil {
			log.ErrorContext(ctx, "a record is no row that this release knows", "error", err)
			failed = append(failed, i)
			continue
		}
		decoded, places = append(decoded, c), append(places, i)
	}
	return decoded, places, failed
}

// tell sends news of each tenant once, and returns the indexes of what was not told.
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
				log.WarnContext(ctx, "nodes were not told", "tenant", tenant, "error", err)
			}
			told[tenant] = err
		}
		if err != nil {
			failed = append(failed, i)
		}
	}
	return failed
}

// sequence gives the records' numbers, which are all that an answer names.
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
