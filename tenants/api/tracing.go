package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// tracingView is the state of tracing. The pointers are nil while it is off.
type tracingView struct {
	Enabled bool       `json:"enabled"`
	Sample  *float64   `json:"sample"`
	Since   *time.Time `json:"since"`
	Until   *time.Time `json:"until"`
}

func viewTracing(t tenants.Tracing) tracingView {
	if !t.On(time.Now()) {
		return tracingView{}
	}
	since, until := t.Since.UTC().Truncate(time.Millisecond), t.Until.UTC().Truncate(time.Millisecond)
	return tracingView{true, &t.Sample, &since, &until}
}

func (a *API) getTracing(c *call) (answer, error) {
	t, err := a.Accounts.Get(c.ctx, c.who.Tenant)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewTracing(t.Tracing)}, nil
}

func (a *API) putTracing(c *call) (answer, error) {
	const longest = int64(tenants.MaxTracing / time.Minute)
	c.fields.require("enabled")
	enabled, sample, minutes := c.fields.flag("enabled"), c.fields.share("sample"),
		c.fields.integer("minutes", 1, longest)
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	switch {
	case !enabled:
		sample = 0
	case sample == 0:
		sample = 1
	}
	if minutes == 0 {
		minutes = longest
	}
	t, err := a.Accounts.SetTracing(c.ctx, c.who.Tenant, sample, time.Duration(minutes)*time.Minute)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewTracing(t)}, nil
}
