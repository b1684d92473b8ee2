package tenants_test

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
	"github.com/hookcast/hookcast/tenants/signing"
)

// passes tells whether the request verifies as a receiver with that key would verify it.
func passes(t *testing.T, key tenants.EndpointKey, o tenants.Outgoing, now time.Time) bool {
	t.Helper()
	if key.Scheme == tenants.SchemeV1 {
		scheme, _ := signing.Lookup("standard-webhooks")
		secret := ok(scheme.ParseSecret(key.Secret))(t)
		_, err := scheme.Verify(signing.Request{Method: "POST", Header: o.Header, Body: o.Body}, []signing.Secret{secret}, now, signing.Options{})
		return err == nil
	}
	public := ok(base64.StdEncoding.DecodeString(strings.TrimPrefix(key.PublicKey, "whpk_")))(t)
	signed := o.Header["Webhook-Id"][0] + "." + o.Header["Webhook-Timestamp"][0] + "." + string(o.Body)
	for s := range strings.SplitSeq(o.Header["Webhook-Signature"][0], " ") {
		if text, is := strings.CutPrefix(s, "v1a,"); is && ed25519.Verify(public, []byte(signed), ok(base64.StdEncoding.DecodeString(text))(t)) {
			return true
		}
	}
	return false
}

func TestDeliveryIsSignedByEverySecretThatLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, tenant := endpointOffice(t, false)
		ctx := context.Background()
		e, first := mustCreate(t, s, tenant, hooksEndpoint())
		ev := orderEvent(tenant)
		o := ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if !passes(t, first, o, time.Now()) {
			t.Fatal("the signature does not hold")
		}
		altered := o
		altered.Body = []byte(`{"total":12.51}`)
		if passes(t, first, altered, time.Now()) {
			t.Error("an altered body passes")
		}
		e, next, err := s.RotateSecret(ctx, tenant, e.ID, tenants.SecretRotation{Scheme: "v1a", Overlap: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if next.Secret != "" || !strings.HasPrefix(next.PublicKey, "whpk_") {
			t.Errorf("shown: %+v", next)
		}
		o = ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if !passes(t, first, o, time.Now()) || !passes(t, next, o, time.Now()) {
			t.Error("during the overlap both must pass")
		}
		time.Sleep(time.Hour)
		o = ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if passes(t, first, o, time.Now()) || !passes(t, next, o, time.Now()) {
			t.Error("after the overlap only the new one signs")
		}
		if keys := ok(s.Keys(ctx, e))(t); len(keys) != 1 {
			t.Errorf("%d keys are shown", len(keys))
		}
		e, third, err := s.RotateSecret(ctx, tenant, e.ID, tenants.SecretRotation{})
		if err != nil {
			t.Fatal(err)
		}
		o = ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if passes(t, next, o, time.Now()) || !passes(t, third, o, time.Now()) || third.Scheme != "v1a" {
			t.Error("without overlap the old one must not sign, and the scheme stays")
		}
	})
}

func TestEndpointSecretsAreBounded(t *testing.T) {
	_, s, tenant := endpointOffice(t, false)
	e, _ := mustCreate(t, s, tenant, hooksEndpoint())
	var err error
	for range 4 {
		wantNil(t, err)
		_, _, err = s.RotateSecret(context.Background(), tenant, e.ID, tenants.SecretRotation{Overlap: time.Hour})
	}
	wantError(t, err, tenants.Conflict, "secret_limit")
	_, _, err = s.RotateSecret(context.Background(), tenant, e.ID, tenants.SecretRotation{Overlap: 8 * 24 * time.Hour})
	wantError(t, err, tenants.Unprocessable, "invalid_overlap")
}

func wantNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDeliverySaysWhatItIs(t *testing.T) {
	_, s, tenant := endpointOffice(t, false)
	e, _ := mustCreate(t, s, tenant, hooksEndpoint())
	ev, at := orderEvent(tenant), time.Unix(1_800_000_000, 999)
	o := ok(s.Prepare(context.Background(), e, "msg_1", ev, at))(t)
	for name, want := range map[string]string{
		"Authorization": "Bearer of-the-tenant", "Content-Type": "application/json", "Webhook-Id": "msg_1", "Webhook-Timestamp": "1800000000",
		"Hookcast-Event-Id": ev.ID, "Hookcast-Event-Type": "order.paid", "Hookcast-Channel": "orders.42", "Hookcast-Seq": "7", "Hookcast-Hops": "1",
		"Hookcast-Endpoint-Id": e.ID,
	} {
		if got := o.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if o.Method != "POST" || o.URL != e.URL || string(o.Body) != string(ev.Data) || !strings.HasPrefix(o.Header["User-Agent"][0], "Hookcast/") {
		t.Errorf("got %+v", o)
	}
	for declared, want := range map[string]string{
		"text/plain": "text/plain", "a\r\nHost: evil": "application/json", "": "application/json", "text/plain\x00": "application/json",
	} {
		ev.ContentType = declared
		if got := ok(s.Prepare(context.Background(), e, "msg_1", ev, at))(t).Header["Content-Type"][0]; got != want {
			t.Errorf("%q is sent as %q", declared, got)
		}
	}
	ev.ContentType, ev.Data = "", []byte("\xff")
	if got := ok(s.Prepare(context.Background(), e, "msg_1", ev, at))(t).Header["Content-Type"][0]; got != "application/octet-stream" {
		t.Errorf("bytes are sent as %q", got)
	}
}

// The attack: an id with a dot moves the border between id and timestamp in what is signed.
func TestSignedIDHoldingADotIsRefused(t *testing.T) {
	_, s, tenant := endpointOffice(t, false)
	e, _ := mustCreate(t, s, tenant, hooksEndpoint())
	for _, id := range []string{"", "a.b", "a b", "a\r\nb"} {
		_, err := s.Prepare(context.Background(), e, id, orderEvent(tenant), time.Now())
		wantError(t, err, tenants.Internal, "invalid_message_id")
	}
	for _, prefix := range []string{tenants.PrefixEvent, tenants.PrefixEndpoint, tenants.PrefixSecret} {
		if strings.Contains(tenants.NewID(prefix), ".") {
			t.Errorf("ids under %s have a dot", prefix)
		}
	}
}

// The attacks: a header that frames the request anew, one that breaks the line, one that is ours.
func TestHeadersThatAreNotTheTenantsToSet(t *testing.T) {
	_, s, tenant := endpointOffice(t, false)
	refusals := map[string]string{"": "x", "a b": "x", "a:": "x", "ü": "x", strings.Repeat("a", 65): "x", "X-Long": strings.Repeat("a", 1025),
		"X-Line": "a\r\nHost: evil", "X-CR": "a\rb", "X-LF": "a\nb", "X-Nul": "a\x00", "X-Space": " a", "X-High": "ü"}
	for _, name := range []string{"Host", "host", "Content-Length", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Connection", "Keep-Alive", "Expect",
		"Content-Type", "Content-Encoding", "Accept-Encoding", "User-Agent", "Via", "Forwarded", "X-Forwarded-For", "Proxy-Authorization", "Date",
		"Webhook-Id", "webhook-signature", "WEBHOOK-Timestamp", "Hookcast-Hops", "hookcast-anything", "Sec-Fetch-Site",
		"Metadata-Flavor", "X-aws-ec2-metadata-token", "Metadata", "X-HTTP-Method-Override"} {
		refusals[name] = "x"
	}
	for name, value := range refusals {
		spec := hooksEndpoint()
		spec.Headers = map[string]string{name: value}
		_, _, err := s.Create(context.Background(), tenant, spec)
		wantError(t, err, tenants.Unprocessable, "invalid_header")
	}
	many := make(map[string]string)
	for i := range 21 {
		many["X-"+strconv.Itoa(i)] = "x"
	}
	for _, headers := range []map[string]string{many, {"X-A": "1", "x-a": "2"}, {"X-A": strings.Repeat("a", 1000), "X-B": strings.Repeat("a", 1000), "X-C": strings.Repeat("a", 1000), "X-D": strings.Repeat("a", 1000)}} {
		spec := hooksEndpoint()
		spec.Headers = headers
		_, _, err := s.Create(context.Background(), tenant, spec)
		wantError(t, err, tenants.Unprocessable, "invalid_header")
	}
	e, _ := mustCreate(t, s, tenant, hooksEndpoint())
	e, err := s.Patch(context.Background(), tenant, e.ID, tenants.EndpointPatch{Headers: &map[string]string{}})
	if err != nil || e.Headers != nil || len(e.HeaderNames) != 0 {
		t.Errorf("headers are not cleared: %v", err)
	}
}
