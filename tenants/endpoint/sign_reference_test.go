package endpoint_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Receivers verify by the reference library, as it is.
func TestDeliveryVerifiesWithTheReferenceLibrary(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	ctx := context.Background()
	own := rig.HooksEndpoint()
	own.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // the specification's example
	for name, spec := range map[string]endpoint.Spec{"made here": rig.HooksEndpoint(), "the tenant's own": own} {
		e, key := rig.MustCreate(t, s, tenant, spec)
		if spec.Secret != "" && key.Secret != spec.Secret {
			t.Errorf("%s: another secret is shown", name)
		}
		receiver := rig.Ok(standardwebhooks.NewWebhook(key.Secret))(t)
		ev := rig.OrderEvent(tenant)
		o := rig.Ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if err := receiver.Verify(o.Body, http.Header(o.Header)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range o.Body {
			altered := append([]byte{}, o.Body...)
			altered[i] ^= 1
			if receiver.Verify(altered, http.Header(o.Header)) == nil {
				t.Fatalf("%s: passes with byte %d altered", name, i)
			}
		}
		late := rig.Ok(s.Prepare(ctx, e, "msg_1", ev, time.Now().Add(-time.Hour)))(t)
		if receiver.Verify(late.Body, http.Header(late.Header)) == nil {
			t.Errorf("%s: passes an hour later", name)
		}

		// In a rotation both the old and the new receiver verify, v1a beside v1 too.
		e, next, err := s.RotateSecret(ctx, tenant, e.ID, endpoint.SecretRotation{Overlap: time.Hour})
		wantNil(t, err)
		e, _, err = s.RotateSecret(ctx, tenant, e.ID,
			endpoint.SecretRotation{Overlap: time.Hour, Scheme: endpoint.SchemeV1a})
		wantNil(t, err)
		o = rig.Ok(s.Prepare(ctx, e, "msg_2", ev, time.Now()))(t)
		for _, secret := range []string{key.Secret, next.Secret} {
			if err := rig.Ok(standardwebhooks.NewWebhook(secret))(t).Verify(o.Body, http.Header(o.Header)); err != nil {
				t.Errorf("%s, rotating: %v", name, err)
			}
		}
		if n := len(strings.Fields(o.Header["Webhook-Signature"][0])); n != 3 {
			t.Errorf("%d signatures", n)
		}
	}
}

// The library's own signature is ours, bit for bit.
func TestSignatureIsTheReferenceLibrarys(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	e, key := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	at := time.Unix(1_674_087_231, 0)
	reference := rig.Ok(standardwebhooks.NewWebhook(key.Secret))(t)
	for _, body := range []string{`{"type":"a"}`, "", "\x00\xff", strings.Repeat("ä", 1000)} {
		ev := rig.OrderEvent(tenant)
		ev.Data = []byte(body)
		want := rig.Ok(reference.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, ev.Data))(t)
		if got := rig.Ok(s.Prepare(context.Background(), e, "msg_p5jXN8AQM9LWM0D4loKWxJek",
			ev, at))(t).Header["Webhook-Signature"][0]; got != want {
			t.Errorf("%q: %s, want %s", body, got, want)
		}
	}
}

// Keys of v1a have the specification's form: whpk_ and 32 bytes.
func TestPublicKeyHasTheSpecificationsForm(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	spec := rig.HooksEndpoint()
	spec.SecretScheme = endpoint.SchemeV1a
	e, key := rig.MustCreate(t, s, tenant, spec)
	text, prefixed := strings.CutPrefix(key.PublicKey, "whpk_")
	if public := rig.Ok(base64.StdEncoding.DecodeString(text))(t); !prefixed || len(public) != 32 || key.Secret != "" {
		t.Errorf("%d bytes", len(public))
	}
	o := rig.Ok(s.Prepare(context.Background(), e, "msg_1", rig.OrderEvent(tenant), time.Now()))(t)
	if !strings.HasPrefix(o.Header["Webhook-Signature"][0], "v1a,") || !passes(t, key, o, time.Now()) {
		t.Errorf("signed %s", o.Header["Webhook-Signature"])
	}
	o.Body = append([]byte{}, o.Body...)
	o.Body[0] ^= 1
	if passes(t, key, o, time.Now()) {
		t.Error("an altered body passes")
	}
}
