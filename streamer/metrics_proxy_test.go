package streamer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
)

func TestMetricsOfProxiesCountUpstreamsClientsAndWhatBecameOfThem(t *testing.T) {
	p := newProxyWorld(t, func(*hub.Options) {})
	_, key := p.tenant(t)
	metrics := func() map[string]float64 {
		a, _ := p.talk(t, "GET /metrics"+head+"\r\n")
		if strings.Contains(a.body, tenants.PrefixTenant) {
			t.Error("a tenant is named")
		}
		samples, _ := readMetrics(t, a.body)
		got := make(map[string]float64)
		for _, s := range samples {
			if name, ok := strings.CutPrefix(s.name, "hookcast_proxy_"); ok {
				got[name+s.labels] = s.value
			}
		}
		return got
	}
	want := func(when string, figures map[string]float64) {
		t.Helper()
		eventually(t, fmt.Sprintf("%s: %v", when, figures), func() bool {
			got := metrics()
			for name, n := range figures {
				if v, there := got[name]; !there || v != n {
					return false
				}
			}
			return true
		})
	}
	want("before anybody comes", map[string]float64{"upstreams": 0, "clients": 0, "events_total": 0,
		`refused_totalreason="upstream_status"`: 0})

	shared := p.create(t, key, "/numbers?to=5", map[string]any{"share": true})
	alone := p.create(t, key, "/numbers?to=3&ids=1", nil)
	a, b := p.hear(t, "/v1/proxies/"+shared+"/stream?after=0", key),
		p.hear(t, "/v1/proxies/"+shared+"/stream?after=0", key)
	c := p.hear(t, "/v1/proxies/"+alone+"/stream", key)
	want("while three listen to two", map[string]float64{"upstreams": 2, "clients": 3, "events_total": 8,
		"reconnects_total": 0, "gaps_total": 0})

	p.other.cutAll()
	want("both broken, and one without ids", map[string]float64{"upstreams": 2, "clients": 3, "reconnects_total": 2,
		"gaps_total": 1})

	for _, s := range []*stream{a, b, c} {
		s.Close()
	}
	want("once they have left", map[string]float64{"upstreams": 0, "clients": 0})

	for path, times := range map[string]int{"/status?code=403": 2, "/html": 1} {
		for range times {
			p.call(t, "POST", "/v1/proxies/"+p.create(t, key, path, nil)+"/collect", key, nil)
		}
	}
	p.call(t, "POST", "/v1/proxies/"+p.create(t, key, "/finite?n=7", nil)+"/collect", key, nil)
	want("refused, and collected", map[string]float64{
		`refused_totalreason="upstream_status"`: 2, `refused_totalreason="upstream_media_type"`: 1,
		`refused_totalreason="upstream_timeout"`: 0, "upstreams": 0, "clients": 0,
	})
	if got := metrics()["events_total"]; got < 15 { // and those that were repeated without ids
		t.Errorf("%v events", got)
	}
}
