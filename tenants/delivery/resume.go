package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/worker"
)

// While an ordered endpoint is disabled its events are not dispatched, and the messages that walk its channels end.
// So that quiet channels continue too once it is enabled, each channel that it has not finished gets a new message.
// This goes page by page, in messages of the waiting queue.

const (
	resumePage  = 100                         // channels
	resumeDelay = cache.ReadTTL + time.Second // by then every process knows that the endpoint is enabled
)

// Resume sends an ordered endpoint that has just been enabled the events that it has not received, within a few
// seconds. Failed attempts keep their schedule. For any other endpoint it does nothing. It may be called again.
func (d *Deliveries) Resume(ctx context.Context, ep endpoint.Endpoint) error {
	if !ep.Ordered || ep.State != endpoint.Enabled {
		return nil
	}
	now := time.Now()
	due := now.Add(resumeDelay)
	return d.wait(ctx, message{Do: doResume, Tenant: ep.Tenant, Endpoint: ep.ID, Began: now.UTC(), Due: due})
}

// resume sends the messages for a page of the endpoint's channels, those after m.Channel.
func (d *Deliverer) resume(ctx context.Context, m message) error {
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	ep, err := d.Endpoints.Get(ctx, m.Tenant, m.Endpoint)
	if tenants.IsNotFound(err) || err == nil && (!ep.Ordered || ep.State != endpoint.Enabled) {
		return nil
	}
	if err != nil {
		return err
	}
	page, err := d.Log.Channels(ctx, m.Tenant, m.Channel, resumePage)
	if err != nil {
		return err
	}
	rest := make([]message, len(page)) // the zero message: nothing is left of the channel
	err = worker.Parallel(len(page), worker.GroupsAtOnce, func(i int) (err error) {
		if name := page[i].Name; ep.WantsChannel(name) {
			rest[i], err = d.restOf(ctx, ep, name, m.Began)
		}
		return err
	})
	if err != nil {
		return err
	}
	var ready []tenants.Message
	for _, r := range rest {
		if r.Do != "" {
			ready = append(ready, r.ready(ep))
		}
	}
	if err := d.sendReady(ctx, ready...); err != nil || len(page) < resumePage {
		return err
	}
	m.Channel = page[len(page)-1].Name
	return d.wait(ctx, m.again(time.Now().Add(replayPause)))
}

// restOf returns the message for the rest of a channel, or the zero message if nothing is left. It ends a pause,
// because the pause may have waited for the endpoint.
func (d *Deliverer) restOf(ctx context.Context, ep endpoint.Endpoint, channel string, began time.Time) (message,
	error) {
	cursor, _, err := d.cursor(ctx, ep, channel)
	if err != nil {
		return message{}, err
	}
	tail, err := d.Log.Tail(ctx, ep.Tenant, channel)
	if err != nil || cursor.Next > tail {
		return message{}, err
	}
	m := message{
		Do: doChannel, Tenant: ep.Tenant, Endpoint: ep.ID, Channel: channel, Began: began, Hop: began.UnixNano(),
	}
	if !cursor.Wake.IsZero() {
		m.Wake = cursor.Wake.UnixMilli()
	}
	return m, nil
}
