package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/source"
)

// getLimits shows the tenant's limits and its present use of them.
func (a *API) getLimits(c *call) (answer, error) {
	limits, err := a.Accounts.Limits(c.ctx, c.who.Tenant)
	if err != nil {
		return answer{}, err
	}
	inUse, incomplete, err := a.inUse(c)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, limitsView{limits.Named(), inUse, incomplete}}, nil
}

type limitsView struct {
	Limits     map[string]int64 `json:"limits"`
	InUse      map[string]int64 `json:"in_use"`
	Incomplete bool             `json:"incomplete"` // a node did not report its connections
}

// getUsage shows the tenant's use, month by month, and its present use.
func (a *API) getUsage(c *call) (answer, error) {
	months, err := a.monthly(c)
	if err != nil {
		return answer{}, err
	}
	inUse, incomplete, err := a.inUse(c)
	if err != nil {
		return answer{}, err
	}
	v := usageView{Months: make([]monthView, len(months)), InUse: inUse, Incomplete: incomplete}
	for i, m := range months {
		v.Months[i] = monthView(m)
	}
	return answer{http.StatusOK, v}, nil
}

type usageView struct {
	Months     []monthView      `json:"months"` // the current one first
	InUse      map[string]int64 `json:"in_use"`
	Incomplete bool             `json:"incomplete"`
}

type monthView struct {
	Month  string `json:"month"`
	Events int64  `json:"events"`
}

// usageTrust is the maximum age of cached counts of events. Reading them costs a query for each month.
const usageTrust = time.Second

func (a *API) monthly(c *call) ([]projection.MonthUsage, error) {
	return a.months.Get(c.ctx, c.who.Tenant, func(ctx context.Context) ([]projection.MonthUsage, error) {
		return a.Usage.Months(ctx, c.who.Tenant, time.Now(), projection.MaxMonths)
	})
}

// inUse returns the tenant's use of its limits by name. For limits per channel, subject or address it is the use of
// the busiest one.
func (a *API) inUse(c *call) (use map[string]int64, incomplete bool, err error) {
	months, err := a.monthly(c)
	if err != nil {
		return nil, false, err
	}
	rate, err := a.rates.Get(c.ctx, c.who.Tenant, func(ctx context.Context) (int, error) {
		return a.Index.PerSecond(ctx, c.who.Tenant, time.Now())
	})
	if err != nil {
		return nil, false, err
	}
	connections, err := a.Connections.List(c.ctx, c.who.Tenant, "", 0)
	if err != nil {
		return nil, false, err
	}
	sources, err := a.countSources(c)
	if err != nil {
		return nil, false, err
	}
	channels, err := a.countChannels(c)
	if err != nil {
		return nil, false, err
	}
	return map[string]int64{
		"connections": int64(connections.Total), "connections_per_channel": int64(connections.Busiest.Channel),
		"connects_per_second":     int64(connections.Connecting),
		"connections_per_subject": int64(connections.Busiest.Subject),
		"connections_per_ip":      int64(connections.Busiest.IP),
		"events_per_second":       int64(rate), "events_per_month": months[0].Events, "sources": sources,
		"channels": channels,
	}, connections.Missing > 0, nil
}

func (a *API) countSources(c *call) (n int64, err error) {
	for after := ""; ; {
		var page []source.Source
		if page, after, err = a.Sources.List(c.ctx, c.who.Tenant, after, maxLimit); err != nil {
			return 0, err
		}
		if n += int64(len(page)); after == "" {
			return n, nil
		}
	}
}

// mostCounted bounds the work of counting channels and thereby the count.
const mostCounted = 10_000

func (a *API) countChannels(c *call) (n int64, err error) {
	const step = 1000
	for after := ""; n < mostCounted; {
		page, err := a.Log.Channels(c.ctx, c.who.Tenant, after, step)
		if err != nil {
			return 0, err
		}
		for _, channel := range page {
			if tenants.CountsAsChannel(channel.Name) {
				n++
			}
		}
		if len(page) < step {
			return n, nil
		}
		after = page[len(page)-1].Name
	}
	return n, nil
}
