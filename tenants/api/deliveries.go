package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/delivery"
)

// deliveryView is a delivery as answers show it. Lists omit its attempts.
type deliveryView struct {
	ID       string        `json:"id"`
	Endpoint string        `json:"endpoint_id"`
	Event    string        `json:"event_id"`
	Channel  string        `json:"channel"`
	Seq      int64         `json:"seq"`
	Type     string        `json:"type"`
	Replay   *string       `json:"replay_id"`
	State    string        `json:"state"`
	Reason   *string       `json:"reason"`
	Made     int           `json:"attempts_made"`
	Next     *time.Time    `json:"next_attempt_at"`
	Updated  time.Time     `json:"updated_at"`
	Attempts []attemptView `json:"attempts,omitempty"`
}

// attemptView is one attempt of a delivery.
type attemptView struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	Second bool      `json:"second_try"`
	*endpointAttempt
}

func viewDelivery(d delivery.Delivery) deliveryView {
	return deliveryView{
		ID: d.ID, Endpoint: d.Endpoint, Event: d.Event, Channel: d.Channel, Seq: d.Seq, Type: d.Type,
		Replay: nullable(d.Replay), State: string(d.State), Reason: nullable(d.Reason), Made: d.Attempts,
		Next: optionalTime(d.Next), Updated: d.Updated.UTC(),
	}
}

// withAttempts is viewDelivery with the result of each attempt.
func withAttempts(d delivery.Delivery) deliveryView {
	v := viewDelivery(d)
	for _, a := range d.History {
		v.Attempts = append(v.Attempts, attemptView{a.Number, a.At.UTC(), a.Second, viewAttempt(tenants.Answer{
			Status: a.Status, Failure: a.Failure, Took: a.Took, Header: a.Header, Body: a.Body, Truncated: a.Truncated,
		})})
	}
	return v
}

func (a *API) listDeliveries(c *call) (answer, error) {
	return a.deliveryList(c, a.Deliveries.List)
}

func (a *API) listDead(c *call) (answer, error) {
	dead := func(
		ctx context.Context, t tenants.TenantID, f delivery.Filter, after string, limit int,
	) ([]delivery.Delivery, string, error) {
		return a.Deliveries.Dead(ctx, t, f.Endpoint, after, limit)
	}
	return a.deliveryList(c, dead)
}

type deliveryReader func(
	ctx context.Context, t tenants.TenantID, f delivery.Filter, after string, limit int,
) ([]delivery.Delivery, string, error)

// deliveryList answers with the page of deliveries that matches the query.
func (a *API) deliveryList(c *call, read deliveryReader) (answer, error) {
	page := func(ctx context.Context, t tenants.TenantID, after string, limit int) ([]delivery.Delivery, string,
		error) {
		f, err := deliveryFilter(c.query)
		if err != nil {
			return nil, "", err
		}
		return read(ctx, t, f, after, limit)
	}
	return listRows(a, c, page, viewDelivery)
}

// deliveryFilter reads the parameters that narrow a list of deliveries.
func deliveryFilter(query url.Values) (delivery.Filter, error) {
	f := filters{query: query}
	list := delivery.Filter{
		Endpoint: f.id("endpoint", "the id of an endpoint", tenants.PrefixEndpoint),
		Event:    f.id("event", "the id of an event", tenants.PrefixEvent),
		State:    delivery.State(f.text("state", "pending, delivered, dead or canceled", isDeliveryState)),
		Since:    f.time("from"),
		Until:    f.time("to"),
	}
	return list, f.err
}

func isDeliveryState(value string) bool {
	switch delivery.State(value) {
	case delivery.Pending, delivery.Delivered, delivery.Dead, delivery.Canceled:
		return true
	}
	return false
}

func (a *API) getDelivery(c *call) (answer, error) {
	return answerByID(c, tenants.PrefixDelivery, http.StatusOK, a.Deliveries.Get, withAttempts)
}

func (a *API) retryDelivery(c *call) (answer, error) {
	return answerByID(c, tenants.PrefixDelivery, http.StatusAccepted, a.Deliveries.Retry, withAttempts)
}

func (a *API) cancelDelivery(c *call) (answer, error) {
	return answerByID(c, tenants.PrefixDelivery, http.StatusOK, a.Deliveries.Cancel, withAttempts)
}
