package api_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/trace"
)

// A webhook that is traced from its signature to an endpoint, past people of whom one sees not all of it and one has
// lost the right to it. What nodes tell is told here in their place.
func TestATraceHasEveryHopAndNoSecret(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	canary := "canary-" + strings.ToLower(rand.Text())
	endpoint := w.do("POST", "/v1/endpoints", ten.key,
		`{"name":"x","url":"https://hooks.example.com/","schedule_seconds":[3600]}`).want(201)
	w.setPolicy(ten,
		right("role:viewer", "channel:hooks", "subscribe", "deny"), hidden("role:viewer", "customer.email"),
		hidden("role:partner", "price"),
		row{"subject": "role:guest", "object": "field:customer.email", "action": "read", "effect": "deny",
			"channel": "other.*"})
	w.do("PUT", "/v1/trace", ten.key, `{"enabled":true}`).want(200)
	flush := w.trace()

	const age = 30
	path := w.sourceOf(ten, "stripe", "")
	body := `{"id":"evt_1","type":"charge.succeeded","customer":{"email":"` + canary + `"}}`
	stamp := fmt.Sprint(time.Now().Unix() - age)
	signature := signed(stamp + "." + body)
	id := w.do("POST", path, "", body, "Stripe-Signature", "t="+stamp+",v1="+signature).want(202).get("id")
	w.pump()

	wrote := time.Now().UTC()
	e, err := w.log.Event(t.Context(), tenants.TenantID(ten.id), id, tenants.Retention{})
	w.must(err)
	w.appender.Tracer.Step(e.Tenant, id, e.Time, trace.Step{
		Name: trace.StepWritten, Node: "nod_1", First: wrote, At: wrote, Subscribers: 4, Connections: 3, Replayed: 1,
		Bytes:  900,
		Hidden: []trace.StepHidden{{Fields: []string{"customer.email"}, Connections: 2}},
		Cut:    map[string]int{"denied": 1}, CutAt: wrote,
		Denied: []trace.StepDenied{{Connection: "con_1", Subject: "alice", Roles: []string{"viewer"}}},
	})
	flush()
	delivery := w.delivered(ten, id, endpoint.get("id"))

	v := w.traceOf(ten, id)
	v.wantOrder(t)
	v.wantHops(t, wrote, stamp, endpoint.get("id"), delivery)

	// Neither rows nor answers contain secrets or payloads.
	w.appender.Tracer.Session(e.Tenant, "alice", trace.Session{Connection: "con_1", Node: "nod_1", At: wrote,
		Opened: wrote, Channels: []string{"hooks"}, Positions: []int64{0}})
	flush()
	told := [][]byte{w.do("GET", "/v1/events/"+id+"/trace", ten.key, nil).want(200).body,
		w.why(ten, map[string]any{"subject": "alice", "event": id}).body}
	stored := 0
	for _, k := range w.table.Left(e.Tenant) {
		if kind := string(k.Kind); !strings.HasPrefix(kind, "trace/") && !strings.HasPrefix(kind, "sessions/") {
			continue
		}
		row, err := w.table.Get(t.Context(), k)
		w.must(err)
		told, stored = append(told, row.Body, []byte(fmt.Sprint(k))), stored+1
		// rows expire at whole seconds
		if life := time.Until(row.Expires); life <= 0 || life > 24*time.Hour+time.Second {
			t.Errorf("%v is kept for %v, want at most 24 hours", k, life)
		}
	}
	if stored != 4 {
		t.Errorf("%d rows are stored, want those of three hops and a session", stored)
	}
	secrets := map[string]string{
		"payload": canary, "source's secret": hookSecret, "signature": signature,
		"source's token": path[strings.LastIndexByte(path, '/')+1:], "key": ten.key,
		"endpoint's secret": endpoint.get("secret"),
	}
	wantWithout(t, told, secrets)
}

// wantOrder checks that the trace has all hops, in the order of their times, which add up.
func (v traced) wantOrder(t *testing.T) {
	t.Helper()
	if !v.Traced || v.names() != "received verified enqueued appended fanned_out written cut filtered delivery" ||
		len(v.NotRecorded) != 0 {
		t.Fatalf("hops %s, not recorded %v; want all of them", v.names(), v.NotRecorded)
	}
	for i, h := range v.Hops {
		if h.At == nil || i > 0 && (h.At.Before(*v.Hops[i-1].At) ||
			*h.Since != h.At.Sub(*v.Hops[i-1].At).Milliseconds()) {
			t.Errorf("%s is at %v, %v ms after the previous hop; want times in order that add up", h.Hop, h.At, h.Since)
		}
	}
	if end := v.Hops[len(v.Hops)-1].At.Sub(*v.Hops[0].At).Milliseconds(); v.Total != end {
		t.Errorf("%d ms in total, want %d, which is between the first and the last", v.Total, end)
	}
}

// wantHops checks what single hops of the trace say.
func (v traced) wantHops(t *testing.T, wrote time.Time, stamp, endpoint, delivery string) {
	t.Helper()
	if h := v.Hops[0]; h.DeliveryID != "evt_1" {
		t.Errorf("got %+v, want delivery_id evt_1", h)
	}
	signedAt := v.Hops[0].At.Add(-time.Duration(v.Hops[1].Age * float64(time.Second)))
	if h := v.Hops[1]; h.Scheme != "stripe" || !strings.HasPrefix(h.SecretID, "sec_") ||
		fmt.Sprint(signedAt.Round(time.Second).Unix()) != stamp {
		t.Errorf("%+v, signed at %v, want %s", h, signedAt, stamp)
	}
	if h := v.Hops[5]; h.Node != "nod_1" || h.Connections != 3 || h.Bytes != 900 ||
		!h.At.Equal(wrote.Truncate(time.Millisecond)) {
		t.Errorf("got %+v, want node nod_1, 3 connections, 900 bytes, at %v", h, wrote)
	}
	if h := v.Hops[6]; h.Reasons["denied"] != 1 {
		t.Errorf("got %+v, want the reason denied once", h)
	}
	if h := v.Hops[7]; len(h.Hidden) != 1 || h.Hidden[0].Connections != 2 || len(h.Hidden[0].Rows) != 1 ||
		h.Hidden[0].Rows[0].Index != 1 ||
		len(h.Denied) != 1 || h.Denied[0].Subject != "alice" || h.Denied[0].Policy.Allowed ||
		h.Denied[0].Policy.Row.Index != 0 {
		t.Errorf("got %+v, want row 1 hiding from 2 connections and alice denied by row 0", h)
	}
	if h := v.Hops[8]; h.Endpoint != endpoint || h.Delivery != delivery || h.State != "delivered" ||
		len(h.Attempts) != 1 || h.Attempts[0].Status != 200 {
		t.Errorf("got %+v, want endpoint %s, delivery %s, delivered with status 200", h, endpoint, delivery)
	}
}

// wantWithout checks that no text contains a secret, as it is or in base64.
func wantWithout(t *testing.T, told [][]byte, secrets map[string]string) {
	t.Helper()
	for name, secret := range secrets {
		if len(secret) < 12 {
			t.Fatalf("%s is %q, want a secret", name, secret)
		}
		quoted, _ := json.Marshal([]byte(secret)) // base64, as bytes in a row are encoded
		for _, text := range told {
			if strings.Contains(string(text), secret) ||
				strings.Contains(string(text), strings.Trim(string(quoted), `"=`)) {
				t.Errorf("%s contains the %s, want no secret", text, name)
			}
		}
	}
}
