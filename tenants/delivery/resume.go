package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Nothing is queued for an ordered endpoint that is disabled for long: its pumps have ended, and what came meanwhile was not dispatched. So that its quiet
// channels, too, go on once it is enabled, each one of which it has something yet to get is given a pump. That goes channel by channel, page by page, by
// messages of the waiting queue.

const (
	resumePage  = 100
	resumeDelay = cache.ReadTTL + time.Second // whoever delivers knows by then that the endpoint is enabled
)

// Resume has an ordered endpoint that has just been enabled sent what it has yet to get, within a few seconds, and goes by the schedule of what has failed
// already. For any other endpoint it does nothing. It can be called again.
func (d *Deliveries) Resume(ctx context.Context, ep endpoint.Endpoint) error {
	if !ep.Ordered || ep.State != endpoint.Enabled {
		return nil
	}
	now := time.Now()
	return d.wait(ctx, errand{Do: doResume, Tenant: ep.Tenant, Endpoint: ep.ID, Began: now.UTC(), Due: now.Add(resumeDelay)})
}

// resume gives a page of the endpoint's channels, those behind m.Channel, their pumps.
func (d *Deliverer) resume(ctx context.Context, m errand) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
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
	pumps := make([]errand, len(page)) // the zero errand: none
	err = worker.Parallel(len(page), worker.GroupsAtOnce, func(i int) (err error) {
		if name := page[i].Name; ep.WantsChannel(name) {
			pumps[i], err = d.pumpBehind(ctx, ep, name, m.Began)
		}
		return err
	})
	if err != nil {
		return err
	}
	var ready []tenants.Message
	for _, p := range pumps {
		if p.Do != "" {
			ready = append(ready, p.ready(ep))
		}
	}
	if len(ready) > 0 {
		if err := d.Ready.Send(ctx, ready...); err != nil {
			return err
		}
	}
	if len(page) < resumePage {
		return nil
	}
	m.Channel = page[len(page)-1].Name
	return d.wait(ctx, m.again(time.Now().Add(replayPause)))
}

// pumpBehind is the pump for a channel of which the endpoint has yet to get something: it ends a nap, since what that waited for may have been the endpoint.
func (d *Deliverer) pumpBehind(ctx context.Context, ep endpoint.Endpoint, channel string, began time.Time) (errand, error) {
	m := errand{Do: doPump, Tenant: ep.Tenant, Endpoint: ep.ID, Channel: channel, Began: began, Hop: began.UnixNano()}
	cursor, _, err := d.pumpCursor(ctx, ep, channel)
	if err != nil {
		return errand{}, err
	}
	tail, err := d.Log.Tail(ctx, ep.Tenant, channel)
	if err != nil || cursor.Next > tail {
		return errand{}, err
	}
	if !cursor.Wake.IsZero() {
		m.Wake = cursor.Wake.UnixMilli()
	}
	return m, nil
}
