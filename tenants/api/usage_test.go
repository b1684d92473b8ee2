package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/projection"
)

func TestUsageShowsTheMonthsAndWhatIsInUse(t *testing.T) {
	var usage *projection.MonthlyUsage
	w := newWorld(t, func(o *api.Options) { usage = o.Usage })
	feed := w.table.Feed()
	ten, other := w.tenant("Acme"), w.tenant("Other")
	for range 3 {
		w.publish(ten, "orders", "1")
	}
	w.publish(ten, "returns", "1")
	w.publish(other, "orders", "1")
	w.hub.open(ten, "alice", "orders")
	within, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for counted := 0; counted < 5; {
		changes, done, err := feed.Next(within, 1000)
		w.must(err)
		_, err = usage.Count(t.Context(), changes)
		w.must(err)
		w.must(done(t.Context()))
		months, err := usage.Months(t.Context(), tenants.TenantID(other.id), time.Now(), 1)
		w.must(err)
		mine, err := usage.Months(t.Context(), tenants.TenantID(ten.id), time.Now(), 1)
		w.must(err)
		counted = int(months[0].Events + mine[0].Events)
	}
	a := w.do("GET", "/v1/usage", ten.key, nil).want(200)
	if a.length("months") != 13 || a.get("months", 0, "events") != "4" ||
		a.get("months", 0, "month") != time.Now().UTC().Format("2006-01") || a.get("months", 1, "events") != "0" {
		t.Errorf("got %s, want 13 elements in months, months.0.events 4, months.0.month %v, months.1.events 0",
			a.body, time.Now().UTC().Format("2006-01"))
	}
	if a.get("in_use") !=
		`{"channels":2,"connections":1,"connections_per_channel":1,"connections_per_ip":1,`+
			`"connections_per_subject":1,"connects_per_second":0,"events_per_month":4,"events_per_second":0,`+
			`"sources":0}` {
		t.Errorf(
			`got %s, want in_use {"channels":2,"connections":1,"connections_per_channel":1,"connections_per_ip":1,`+
				`"connections_per_subject":1,"connects_per_second":0,"events_per_month":4,"events_per_second":0,`+
				`"sources":0}`, a.body)
	}
	if n := w.do("GET", "/v1/limits", ten.key, nil).want(200).get("in_use", "events_per_month"); n != "4" {
		t.Errorf("%s events of the month, want 4", n)
	}
	_, viewer := w.key(ten, "viewer")
	w.do("GET", "/v1/usage", viewer, nil).want(403, "forbidden")
	w.do("GET", "/v1/usage", w.token(ten, `{"subject":"alice","channels":["*"],"ttl_seconds":60}`).get("token"),
		nil).want(403, "api_key_required")
}

// Notices about the account are for its administrators.
func TestNoticesAreNotForEndUsers(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("PATCH", "/v1/tenants/"+ten.id, w.operator, `{"limits":{"channels":1}}`).want(200)
	w.publish(ten, "orders", "1")
	w.pump()
	path := "/v1/channels/hookcast.notices/events"
	a := w.do("GET", path, ten.key, nil).want(200)
	if a.length("data") != 1 || a.get("data", 0, "type") != "limit.warning" ||
		a.get("data", 0, "data", "limit") != "channels" {
		t.Fatalf("got %s, want 1 elements in data, data.0.type limit.warning, data.0.data.limit channels", a.body)
	}
	_, viewer := w.key(ten, "viewer")
	w.do("GET", path, viewer, nil).want(403, "forbidden")
	w.do("GET", "/v1/events/"+a.get("data", 0, "id"), viewer, nil).want(404, "event_not_found")
	w.do("GET", path, w.token(ten, `{"subject":"alice","channels":["*"],"ttl_seconds":60}`).get("token"), nil).want(403,
		"forbidden")
	ops := w.token(ten,
		`{"subject":"ops","channels":["hookcast.notices"],"roles":["ops"],"ttl_seconds":60}`).get("token")
	w.do("GET", path, ops, nil).want(403, "forbidden") // unless the account's policy allows it
	w.do("POST", path, ten.key, `{"type":"limit.warning","data":{}}`).want(422, "reserved_channel")
}
