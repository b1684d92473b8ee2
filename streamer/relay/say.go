package relay

import (
	"encoding/json"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/upstream"
)

// said makes an event of Hookcast's own in an upstream's channel.
func said(tenant tenants.TenantID, channel, kind string, data any) tenants.Event {
	b, _ := json.Marshal(data)
	return tenants.Event{Tenant: tenant, Channel: channel, Type: kind, Data: b, ContentType: "application/json"}
}

func gapEvent(tenant tenants.TenantID, channel string) tenants.Event {
	return said(tenant, channel, proxy.UpstreamGapType, struct {
		Channel  string `json:"channel"`
		Upstream bool   `json:"upstream"`
	}{channel, true})
}

// state is how an upstream is.
type state struct {
	State string `json:"state"` // open, ended, failed
	Code  string `json:"code,omitempty"`
}

func openEvent(tenant tenants.TenantID, channel string) tenants.Event {
	return said(tenant, channel, proxy.UpstreamType, state{State: "open"})
}

// endEvent is the channel's last for as long as no other follows.
func endEvent(tenant tenants.TenantID, channel string, end upstream.End) tenants.Event {
	s := state{State: "ended"}
	switch end.Reason {
	case upstream.Ended, upstream.Canceled:
	case upstream.TimeUp:
		s = state{"failed", "upstream_total_time"}
	default:
		s = state{"failed", tenants.CodeOf(end.Err)}
		if s.Code == "" {
			s.Code = "upstream_failed"
		}
	}
	e := said(tenant, channel, proxy.UpstreamType, s)
	e.End = true
	return e
}

// troubled logs an end that somebody may want to know of. An error about an upstream holds nothing of the request.
func (r *Relay) troubled(end upstream.End, tenant tenants.TenantID, proxy string) {
	if end.Err != nil {
		r.o.Logger.Info("an upstream has ended", "tenant", string(tenant), "proxy", proxy, "reason", string(end.Reason), "code", tenants.CodeOf(end.Err))
	}
}
