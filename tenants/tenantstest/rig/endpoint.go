package rig

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
)

// anywhere is a Destinations that allows every https URL.
type anywhere struct{}

func (anywhere) CheckURL(_ context.Context, raw string) (string, error) {
	if !strings.HasPrefix(raw, "https://") {
		return "", &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_url", Detail: "https only"}
	}
	return raw, nil
}

// words is a Filter whose expression is a word that the payload must contain. "(" is invalid, and "?" fails on every
// event.
type words struct{}

func (words) Check(expression string) error {
	if expression == "(" {
		return &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_filter", Detail: "1:1"}
	}
	return nil
}

func (words) Matches(expression string, e tenants.Event) (bool, error) {
	if expression == "?" {
		return false, &tenants.Error{Kind: tenants.Unprocessable, Code: "filter_failed", Detail: "never"}
	}
	return strings.Contains(string(e.Data), expression), nil
}

// EndpointOffice returns a new Office with its endpoints and a tenant.
func EndpointOffice(t *testing.T, challenge bool) (*Office, *endpoint.Endpoints, tenants.TenantID) {
	t.Helper()
	o := NewOffice(t)
	ten, _, _ := o.SignUp(t)
	return o, o.Endpoints(challenge), ten.ID
}

// Endpoints returns the office's endpoints, which must pass the ownership challenge if challenge is true.
func (o *Office) Endpoints(challenge bool) *endpoint.Endpoints {
	options := endpoint.Options{Filter: words{}, Destinations: anywhere{}, Challenge: challenge}
	return endpoint.NewEndpoints(o.Table, o.Accounts, o.Vault, o.Deploy, options)
}

// HooksEndpoint returns the values of a valid endpoint.
func HooksEndpoint() endpoint.Spec {
	return endpoint.Spec{
		Name: "hooks", URL: "https://hooks.example.com/in",
		Headers: map[string]string{"authorization": "Bearer of-the-tenant"},
	}
}

// OrderEvent returns an event of the tenant.
func OrderEvent(tenant tenants.TenantID) tenants.Event {
	return tenants.Event{
		ID: tenants.NewID(tenants.PrefixEvent), Tenant: tenant, Channel: "orders.42", Seq: 7, Type: "order.paid",
		Data: []byte(`{"total":12.50}`),
		Time: time.Now(),
	}
}

// MustCreate creates an endpoint or fails the test.
func MustCreate(t *testing.T, s *endpoint.Endpoints, tenant tenants.TenantID, spec endpoint.Spec) (endpoint.Endpoint,
	endpoint.Key) {
	t.Helper()
	e, key, err := s.Create(context.Background(), tenant, spec)
	if err != nil {
		t.Fatal(err)
	}
	return e, key
}
