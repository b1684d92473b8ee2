package eventlog

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	shownAtOnce = 4       // rows of unknown size that are read at the same time
	shownBytes  = 2 << 20 // of payloads: Shown stops at this size
)

// Shown returns those of the named events that a reader may see: the ones in the log that are not below the floor of
// retention r. It stops early if payloads are large; of is the number of named events that it looked at, at least one.
func (l *Log) Shown(ctx context.Context, tenant tenants.TenantID, named []tenants.EventRef,
	r tenants.Retention) (events []tenants.Event, of int, err error) {
	floors := make(map[string]int64)
	since := int64(0)
	if r.Seconds > 0 { // each name has its event's time, so no channel is searched by time
		since = time.Now().Unix() - r.Seconds
	}
	counted := tenants.Retention{Events: r.Events}
	for size := 0; of < len(named) && size < shownBytes; {
		some := named[of:min(of+shownAtOnce, len(named))]
		for _, n := range some {
			if _, known := floors[n.Channel]; known {
				continue
			}
			ch := tenants.ChannelKey{Tenant: tenant, Name: n.Channel}
			end, err := l.Tail(ctx, tenant, n.Channel)
			if err != nil {
				return nil, 0, err
			}
			if floors[n.Channel], err = l.floor(ctx, ch, end, counted); err != nil {
				return nil, 0, err
			}
		}
		found := make([]*tenants.Event, len(some))
		err := worker.Parallel(len(some), shownAtOnce, func(i int) error {
			if some[i].Seq < floors[some[i].Channel] || some[i].Time.Unix() < since {
				return nil
			}
			e, err := l.At(ctx, tenants.ChannelKey{Tenant: tenant, Name: some[i].Channel}, some[i].Seq)
			if err == nil && e.ID == some[i].ID {
				found[i] = &e
			}
			if tenants.IsNotFound(err) {
				return nil
			}
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		for _, e := range found {
			if e != nil {
				events = append(events, *e)
				size += len(e.Data)
			}
		}
		of += len(some)
	}
	return events, of, nil
}
