package relay

import (
	"encoding/json"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/upstream"
)

// ownEvent makes an event of Hookcast's own in an upstream's channel.
func ownEvent(tenant tenants.TenantID, channel, kind string, data any) tenants.Event {
	b, _ := json.Marshal(data)
	return tenants.Event{Tenant: tenant, Channel: channel, Type: kind, Data: b, ContentType: "application/json"}
}

func gapEvent(tenant tenants.TenantID, channel string) tenants.Event {
	return ownEvent(tenant, channel, proxy.TypeUpstreamGap, struct {
		Channel  string `json:"channel"`
		Upstream bool   `json:"upstream"`
	}{channel, true})
}

// state is the state of an upstream.
type state struct {
	State string `json:"state"` // open, ended, failed
	Code  string `json:"code,omitempty"`
}

func openEvent(tenant tenants.TenantID, channel string) tenants.Event {
	return ownEvent(tenant, channel, proxy.TypeUpstream, state{State: "open"})
}

// endEvent makes the event that ends the channel unless another one follows.
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
	e := ownEvent(tenant, channel, proxy.TypeUpstream, s)
	e.End = true
	return e
}

// logEnd logs an end that the operator may want to see. Errors of upstreams quote nothing of the request.
func (r *Relay) logEnd(end upstream.End, tenant tenants.TenantID, proxy string) {
	if end.Err != nil {
		r.o.Logger.Info("relay: an upstream ended with an error", "tenant", string(tenant), "proxy", proxy, "reason",
			string(end.Reason), "code", tenants.CodeOf(end.Err))
	}
}
