package endpoint_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// passes reports whether a receiver with the key accepts the request.
func passes(t *testing.T, key endpoint.Key, o tenants.Outgoing, now time.Time) bool {
	t.Helper()
	if key.Scheme == endpoint.SchemeV1 {
		scheme, _ := signing.Lookup("standard-webhooks")
		secret := rig.Ok(scheme.ParseSecret(key.Secret))(t)
		_, err := scheme.Verify(signing.Request{Method: "POST", Header: o.Header, Body: o.Body},
			[]signing.Secret{secret}, now, signing.Options{})
		return err == nil
	}
	public := rig.Ok(base64.StdEncoding.DecodeString(strings.TrimPrefix(key.PublicKey, "whpk_")))(t)
	signed := o.Header["Webhook-Id"][0] + "." + o.Header["Webhook-Timestamp"][0] + "." + string(o.Body)
	for s := range strings.SplitSeq(o.Header["Webhook-Signature"][0], " ") {
		if text, is := strings.CutPrefix(s, "v1a,"); is &&
			ed25519.Verify(public, []byte(signed), rig.Ok(base64.StdEncoding.DecodeString(text))(t)) {
			return true
		}
	}
	return false
}

func TestDeliveryIsSignedByEverySecretThatLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, tenant := rig.EndpointOffice(t, false)
		ctx := context.Background()
		e, first := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
		ev := rig.OrderEvent(tenant)
		o := rig.Ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if !passes(t, first, o, time.Now()) {
			t.Fatal("the signature does not verify")
		}
		altered := o
		altered.Body = []byte(`{"total":12.51}`)
		if passes(t, first, altered, time.Now()) {
			t.Error("an altered body verifies")
		}
		e, next, err := s.RotateSecret(ctx, tenant, e.ID, endpoint.SecretRotation{Scheme: "v1a", Overlap: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if next.Secret != "" || !strings.HasPrefix(next.PublicKey, "whpk_") {
			t.Errorf("got %+v, want only a public key", next)
		}
		o = rig.Ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if !passes(t, first, o, time.Now()) || !passes(t, next, o, time.Now()) {
			t.Error("during the overlap not both secrets verify")
		}
		time.Sleep(time.Hour)
		o = rig.Ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if passes(t, first, o, time.Now()) || !passes(t, next, o, time.Now()) {
			t.Error("after the overlap the old secret verifies, or the new one does not")
		}
		if keys := rig.Ok(s.Keys(ctx, e))(t); len(keys) != 1 {
			t.Errorf("%d keys are shown, want 1", len(keys))
		}
		e, third, err := s.RotateSecret(ctx, tenant, e.ID, endpoint.SecretRotation{})
		if err != nil {
			t.Fatal(err)
		}
		o = rig.Ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if passes(t, next, o, time.Now()) || !passes(t, third, o, time.Now()) || third.Scheme != "v1a" {
			t.Error("without overlap the old secret verifies, the new one does not, or the scheme has changed")
		}
	})
}

func TestEndpointSecretsAreBounded(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	e, _ := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	var err error
	for range 4 {
		wantNil(t, err)
		_, _, err = s.RotateSecret(context.Background(), tenant, e.ID, endpoint.SecretRotation{Overlap: time.Hour})
	}
	rig.WantError(t, err, tenants.Conflict, "secret_limit")
	_, _, err = s.RotateSecret(context.Background(), tenant, e.ID, endpoint.SecretRotation{Overlap: 8 * 24 * time.Hour})
	rig.WantError(t, err, tenants.Unprocessable, "invalid_overlap")
}

func wantNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDeliverySaysWhatItIs(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	e, _ := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	ev, at := rig.OrderEvent(tenant), time.Unix(1_800_000_000, 999)
	o := rig.Ok(s.Prepare(context.Background(), e, "msg_1", ev, at))(t)
	for name, want := range map[string]string{
		"Authorization": "Bearer of-the-tenant", "Content-Type": "application/json", "Webhook-Id": "msg_1",
		"Webhook-Timestamp": "1800000000",
		"Hookcast-Event-Id": ev.ID, "Hookcast-Event-Type": "order.paid", "Hookcast-Channel": "orders.42",
		"Hookcast-Seq": "7", "Hookcast-Hops": "1",
		"Hookcast-Endpoint-Id": e.ID,
	} {
		if got := o.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if o.Method != "POST" || o.URL != e.URL || string(o.Body) != string(ev.Data) ||
		!strings.HasPrefix(o.Header["User-Agent"][0], "Hookcast/") {
		t.Errorf("got %+v, want a POST of the event to %s", o, e.URL)
	}
	for declared, want := range map[string]string{
		"text/plain": "text/plain", "a\r\nHost: evil": "application/json", "": "application/json",
		"text/plain\x00": "application/json",
	} {
		ev.ContentType = declared
		o := rig.Ok(s.Prepare(context.Background(), e, "msg_1", ev, at))(t)
		if got := o.Header["Content-Type"][0]; got != want {
			t.Errorf("declared as %q: got %q, want %q", declared, got, want)
		}
	}
	ev.ContentType, ev.Data = "", []byte("\xff")
	o = rig.Ok(s.Prepare(context.Background(), e, "msg_1", ev, at))(t)
	if got := o.Header["Content-Type"][0]; got != "application/octet-stream" {
		t.Errorf("bytes: got %q, want application/octet-stream", got)
	}
}

// The attack: an id with a dot moves the boundary between id and timestamp in the signed text.
func TestSignedIDHoldingADotIsRefused(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	e, _ := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	for _, id := range []string{"", "a.b", "a b", "a\r\nb"} {
		_, err := s.Prepare(context.Background(), e, id, rig.OrderEvent(tenant), time.Now())
		rig.WantError(t, err, tenants.Internal, "invalid_message_id")
	}
	for _, prefix := range []string{tenants.PrefixEvent, tenants.PrefixEndpoint, tenants.PrefixSecret} {
		if strings.Contains(tenants.NewID(prefix), ".") {
			t.Errorf("ids with prefix %s contain a dot", prefix)
		}
	}
}

// The attacks: a header that changes the framing of the request, one that breaks the line, one that is ours.
func TestHeadersThatAreNotTheTenantsToSet(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	refusals := map[string]string{"": "x", "a b": "x", "a:": "x", "ü": "x", strings.Repeat("a", 65): "x",
		"X-Long": strings.Repeat("a", 1025),
		"X-Line": "a\r\nHost: evil", "X-CR": "a\rb", "X-LF": "a\nb", "X-Nul": "a\x00", "X-Space": " a", "X-High": "ü"}
	for _, name := range []string{"Host", "host", "Content-Length", "Transfer-Encoding", "TE", "Trailer", "Upgrade",
		"Connection", "Keep-Alive", "Expect",
		"Content-Type", "Content-Encoding", "Accept-Encoding", "User-Agent", "Via", "Forwarded", "X-Forwarded-For",
		"Proxy-Authorization", "Date",
		"Webhook-Id", "webhook-signature", "WEBHOOK-Timestamp", "Hookcast-Hops", "hookcast-anything", "Sec-Fetch-Site",
		"Metadata-Flavor", "X-aws-ec2-metadata-token", "Metadata", "X-HTTP-Method-Override"} {
		refusals[name] = "x"
	}
	for name, value := range refusals {
		spec := rig.HooksEndpoint()
		spec.Headers = map[string]string{name: value}
		_, _, err := s.Create(context.Background(), tenant, spec)
		rig.WantError(t, err, tenants.Unprocessable, "invalid_header")
	}
	many := make(map[string]string)
	for i := range 21 {
		many["X-"+strconv.Itoa(i)] = "x"
	}
	long := strings.Repeat("a", 1000)
	for _, headers := range []map[string]string{
		many, {"X-A": "1", "x-a": "2"}, {"X-A": long, "X-B": long, "X-C": long, "X-D": long},
	} {
		spec := rig.HooksEndpoint()
		spec.Headers = headers
		_, _, err := s.Create(context.Background(), tenant, spec)
		rig.WantError(t, err, tenants.Unprocessable, "invalid_header")
	}
	e, _ := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	e, err := s.Patch(context.Background(), tenant, e.ID, endpoint.Patch{Headers: &map[string]string{}})
	if err != nil || e.Headers != nil || len(e.HeaderNames) != 0 {
		t.Errorf("after removal: got headers %v, %v, want none", e.HeaderNames, err)
	}
}
