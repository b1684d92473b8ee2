package api_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/api"
)

func TestAPublishToABoundChannelSaysWhetherItsClientHasLeft(t *testing.T) {
	n, left := 0, true
	w := newWorld(t, func(o *api.Options) {
		o.Subscribers = func(context.Context, tenants.TenantID, string) int { return n }
		o.Left = func(context.Context, tenants.TenantID, string) bool { return left }
	})
	ten := w.tenant("Acme")
	publish := func(channel string) map[string]any {
		t.Helper()
		var body map[string]any
		a := w.do("POST", "/v1/channels/"+channel+"/events", ten.key, `{"type":"token","data":"x"}`).want(202)
		w.must(json.Unmarshal(a.body, &body))
		return body
	}
	if body := publish("client.7"); body["client_disconnected"] != true || body["subscribers"] != 0.0 {
		t.Errorf("the client has left: %v, want client_disconnected and 0 subscribers", body)
	}
	if left = false; publish("client.7")["client_disconnected"] != false {
		t.Error("it has yet to come, and is said to have left")
	}
	if n, left = 1, true; publish("client.7")["client_disconnected"] != false {
		t.Error("it listens, and is said to have left")
	}
	if _, told := publish("orders")["client_disconnected"]; told {
		t.Error("a channel for everybody has a client")
	}
}
