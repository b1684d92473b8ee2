package tenants_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// anywhere is a Destinations that takes every URL with https.
type anywhere struct{}

func (anywhere) CheckURL(_ context.Context, raw string) (string, error) {
	if !strings.HasPrefix(raw, "https://") {
		return "", &tenants.Error{Kind: tenants.Unprocessable, Code: "invalid_url", Detail: "https only"}
	}
	return raw, nil
}

// words is a Filter whose expression is a word that the payload has to hold; "(" is none, and "?" fails on every event.
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

// endpointOffice is an office with endpoints, and a tenant in it.
func endpointOffice(t *testing.T, challenge bool) (*office, *tenants.Endpoints, tenants.TenantID) {
	t.Helper()
	o := newOffice(t)
	ten, _, _ := o.signUp(t)
	return o, o.endpoints(challenge), ten.ID
}

func (o *office) endpoints(challenge bool) *tenants.Endpoints {
	return tenants.NewEndpoints(o.table, o.accounts, o.vault, o.deploy, tenants.EndpointOptions{Filter: words{}, Destinations: anywhere{}, Challenge: challenge})
}

func hooksEndpoint() tenants.EndpointSpec {
	return tenants.EndpointSpec{Name: "hooks", URL: "https://hooks.example.com/in", Headers: map[string]string{"authorization": "Bearer of-the-tenant"}}
}

func orderEvent(tenant tenants.TenantID) tenants.Event {
	return tenants.Event{
		ID: tenants.NewID(tenants.PrefixEvent), Tenant: tenant, Channel: "orders.42", Seq: 7, Type: "order.paid", Data: []byte(`{"total":12.50}`),
		Time: time.Now(),
	}
}

func mustCreate(t *testing.T, s *tenants.Endpoints, tenant tenants.TenantID, spec tenants.EndpointSpec) (tenants.Endpoint, tenants.EndpointKey) {
	t.Helper()
	e, key, err := s.Create(context.Background(), tenant, spec)
	if err != nil {
		t.Fatal(err)
	}
	return e, key
}
