package endtoend

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
)

// usage is the answer of GET /v1/usage.
type usage struct {
	Months []struct {
		Month  string
		Events int
	}
	InUse map[string]int `json:"in_use"`
}

// monthly sends more events than a month's limit allows. The limit is approximate: each process counts on its own for
// a while, so a few more events may pass. Those that passed are counted, and the account is warned once.
func monthly(t *testing.T, d Deployment, operatorKey string) {
	const most = 20
	tenant := d.Signup(t, "monthly")
	source := d.GitHubSource(t, tenant, "orders")
	notices := d.MustSubscribe(t, tenant.Key, "0", url.Values{"types": {"off"}}, "hookcast.notices")
	d.setLimit(t, tenant, operatorKey, "events_per_month", most)
	d.publish(t, tenant, "orders", 1, most-4)
	wantWarning(t, notices, most)

	taken := most - 4
	publish := func() Answer {
		a := d.Must(t, "POST", "/v1/channels/orders/events", tenant.Key,
			map[string]any{"type": "order.created", "data": 1})
		if a.Status == 202 {
			taken++
		}
		return a
	}
	refused := func(a Answer) bool { return overMonth(t, a) }
	await(t, "publishing beyond the month's limit", publish, refused)
	n := 0
	await(t, "webhooks beyond the month's limit", func() Answer {
		n++
		a := d.post(t, source, fmt.Sprint("over-", n), []byte(`{}`))
		if a.Status == 202 {
			taken++
		}
		return a
	}, refused)

	show := func() (u usage) {
		d.Must(t, "GET", "/v1/usage", tenant.Key, nil).Want(t, 200).JSON(t, &u)
		return u
	}
	await(t, fmt.Sprintf("the usage of %d events", taken), show, func(u usage) bool {
		return u.Months[0].Events == taken && u.InUse["events_per_month"] == taken && u.InUse["connections"] == 1 &&
			u.InUse["channels"] == 1 && u.InUse["sources"] == 1
	})
	var limits struct {
		Limits map[string]int
		InUse  map[string]int `json:"in_use"`
	}
	d.Must(t, "GET", "/v1/limits", tenant.Key, nil).Want(t, 200).JSON(t, &limits)
	if limits.Limits["events_per_month"] != most || limits.InUse["events_per_month"] != taken {
		t.Errorf("limits and use are %+v, want %d events", limits, taken)
	}

	d.setLimit(t, tenant, operatorKey, "events_per_month", 1000)
	await(t, "publishing under a higher limit", publish, func(a Answer) bool { return a.Status == 202 })
	await(t, "the rate of events while some arrive", func() (u usage) {
		d.Must(t, "POST", "/v1/channels/orders/events", tenant.Key,
			map[string]any{"type": "order.created", "data": 1}).Want(t, 202)
		return show()
	}, func(u usage) bool { return u.InUse["events_per_second"] > 0 })
	var history struct{ Data []Event }
	d.Must(t, "GET", "/v1/channels/hookcast.notices/events", tenant.Key, nil).Want(t, 200).JSON(t, &history)
	if len(history.Data) != 1 {
		t.Errorf("the account got %d notices, want 1", len(history.Data))
	}
}

// overMonth reports whether a is the refusal of an event over the month's limit; any other answer must be 202.
func overMonth(t *testing.T, a Answer) bool {
	t.Helper()
	if a.Status != 429 {
		a.Want(t, 202)
		return false
	}
	wantProblem(t, a, "429 event_month_limit")
	if a.Header.Get("Retry-After") == "" {
		t.Errorf("the refusal has no Retry-After: %v", a.Header)
	}
	return true
}

// wantWarning wants a notice that 80 percent of most events are used.
func wantWarning(t *testing.T, notices *Stream, most int) {
	t.Helper()
	var warning struct {
		Type string
		Data struct {
			Limit        string
			Max, Percent int
		}
	}
	if err := json.Unmarshal([]byte(mustNext(t, notices).Data), &warning); err != nil ||
		warning.Type != "limit.warning" ||
		warning.Data.Limit != "events_per_month" || warning.Data.Max != most || warning.Data.Percent != 80 {
		t.Errorf("the account's notice is %+v (%v), want a warning at 80%%", warning, err)
	}
}
