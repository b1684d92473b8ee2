package endtoend

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"
)

// usage is what GET /v1/usage says.
type usage struct {
	Months []struct {
		Month  string
		Events int
	}
	InUse map[string]int `json:"in_use"`
}

// await asks until enough says that it is.
func await[T any](t testing.TB, what string, ask func() T, enough func(T) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		got := ask()
		if enough(got) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: in the end it is %+v", what, got)
		}
	}
}

// monthly sends more than a month's limit takes. The limit is approximate: each process that takes events in counts for itself in
// between, so that a few more may pass. What passed is counted, and the account is warned, once.
func monthly(t *testing.T, d Deployment, operatorKey string) {
	const most = 20
	tenant := d.Signup(t, "monthly")
	source := d.GitHubSource(t, tenant, "orders")
	notices := d.MustSubscribe(t, tenant.Key, "0", url.Values{"types": {"off"}}, "hookcast.notices")
	d.Must(t, "PATCH", "/v1/tenants/"+tenant.ID, operatorKey, map[string]any{"limits": map[string]int{"events_per_month": most}}).Want(t, 200)
	d.publish(t, tenant, "orders", 1, most-4)

	var warning struct {
		Type string
		Data struct {
			Limit        string
			Max, Percent int
		}
	}
	if err := json.Unmarshal([]byte(mustNext(t, notices).Data), &warning); err != nil || warning.Type != "limit.warning" ||
		warning.Data.Limit != "events_per_month" || warning.Data.Max != most || warning.Data.Percent != 80 {
		t.Errorf("the account was told %+v, %v", warning, err)
	}

	taken := most - 4
	publish := func() Answer {
		a := d.Must(t, "POST", "/v1/channels/orders/events", tenant.Key, map[string]any{"type": "order.created", "data": 1})
		if a.Status == 202 {
			taken++
		}
		return a
	}
	refused := func(a Answer) bool {
		if a.Status != 429 {
			a.Want(t, 202)
			return false
		}
		wantProblem(t, a, "429 event_month_limit")
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("nobody is told when to try again: %v", a.Header)
		}
		return true
	}
	await(t, "publishing beyond the month's limit", publish, refused)
	n := 0
	await(t, "webhooks beyond the month's limit", func() Answer {
		n++
		a, err := d.GitHub(t.Context(), source, fmt.Sprint("over-", n), []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
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
		return u.Months[0].Events == taken && u.InUse["events_per_month"] == taken && u.InUse["connections"] == 1 && u.InUse["channels"] == 1 && u.InUse["sources"] == 1
	})
	var limits struct {
		Limits map[string]int
		InUse  map[string]int `json:"in_use"`
	}
	d.Must(t, "GET", "/v1/limits", tenant.Key, nil).Want(t, 200).JSON(t, &limits)
	if limits.Limits["events_per_month"] != most || limits.InUse["events_per_month"] != taken {
		t.Errorf("%+v, and %d events were taken", limits, taken)
	}

	d.Must(t, "PATCH", "/v1/tenants/"+tenant.ID, operatorKey, map[string]any{"limits": map[string]int{"events_per_month": 1000}}).Want(t, 200)
	await(t, "publishing under a higher limit", publish, func(a Answer) bool { return a.Status == 202 })
	await(t, "the rate of events, while they come", func() (u usage) {
		d.Must(t, "POST", "/v1/channels/orders/events", tenant.Key, map[string]any{"type": "order.created", "data": 1}).Want(t, 202)
		return show()
	}, func(u usage) bool { return u.InUse["events_per_second"] > 0 })
	var history struct{ Data []Event }
	d.Must(t, "GET", "/v1/channels/hookcast.notices/events", tenant.Key, nil).Want(t, 200).JSON(t, &history)
	if len(history.Data) != 1 {
		t.Errorf("the account was told %d times", len(history.Data))
	}
}
