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

// The reference library verifies our requests, unmodified.
func TestDeliveryVerifiesWithTheReferenceLibrary(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	ctx := context.Background()
	own := rig.HooksEndpoint()
	own.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // the specification's example
	for name, spec := range map[string]endpoint.Spec{"made here": rig.HooksEndpoint(), "the tenant's own": own} {
		e, key := rig.MustCreate(t, s, tenant, spec)
		if spec.Secret != "" && key.Secret != spec.Secret {
			t.Errorf("%s: the secret that is shown is not the given one", name)
		}
		receiver := rig.Ok(standardwebhooks.NewWebhook(key.Secret))(t)
		ev := rig.OrderEvent(tenant)
		o := rig.Ok(s.Prepare(ctx, e, "msg_1", ev, time.Now()))(t)
		if err := receiver.Verify(o.Body, http.Header(o.Header)); err != nil {
			t.Errorf("%s: got %v, want a valid signature", name, err)
		}
		for i := range o.Body {
			altered := append([]byte{}, o.Body...)
			altered[i] ^= 1
			if receiver.Verify(altered, http.Header(o.Header)) == nil {
				t.Fatalf("%s: verifies with byte %d altered", name, i)
			}
		}
		late := rig.Ok(s.Prepare(ctx, e, "msg_1", ev, time.Now().Add(-time.Hour)))(t)
		if receiver.Verify(late.Body, http.Header(late.Header)) == nil {
			t.Errorf("%s: verifies an hour later", name)
		}

		// During a rotation both the old and the new receiver verify, also with v1a next to v1.
		e, next, err := s.RotateSecret(ctx, tenant, e.ID, endpoint.SecretRotation{Overlap: time.Hour})
		wantNil(t, err)
		e, _, err = s.RotateSecret(ctx, tenant, e.ID,
			endpoint.SecretRotation{Overlap: time.Hour, Scheme: endpoint.SchemeV1a})
		wantNil(t, err)
		o = rig.Ok(s.Prepare(ctx, e, "msg_2", ev, time.Now()))(t)
		for _, secret := range []string{key.Secret, next.Secret} {
			if err := rig.Ok(standardwebhooks.NewWebhook(secret))(t).Verify(o.Body, http.Header(o.Header)); err != nil {
				t.Errorf("%s, during a rotation: got %v, want a valid signature", name, err)
			}
		}
		if n := len(strings.Fields(o.Header["Webhook-Signature"][0])); n != 3 {
			t.Errorf("got %d signatures, want 3", n)
		}
	}
}

// The library makes the same signatures as we do.
func TestSignatureIsTheReferenceLibrarys(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	e, key := rig.MustCreate(t, s, tenant, rig.HooksEndpoint())
	at := time.Unix(1_674_087_231, 0)
	reference := rig.Ok(standardwebhooks.NewWebhook(key.Secret))(t)
	for _, body := range []string{`{"type":"a"}`, "", "\x00\xff", strings.Repeat("ä", 1000)} {
		ev := rig.OrderEvent(tenant)
		ev.Data = []byte(body)
		want := rig.Ok(reference.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, ev.Data))(t)
		o := rig.Ok(s.Prepare(context.Background(), e, "msg_p5jXN8AQM9LWM0D4loKWxJek", ev, at))(t)
		if got := o.Header["Webhook-Signature"][0]; got != want {
			t.Errorf("%q: got %s, want %s", body, got, want)
		}
	}
}

// Public keys of v1a have the form of the specification: whpk_ and 32 bytes.
func TestPublicKeyHasTheSpecificationsForm(t *testing.T) {
	_, s, tenant := rig.EndpointOffice(t, false)
	spec := rig.HooksEndpoint()
	spec.SecretScheme = endpoint.SchemeV1a
	e, key := rig.MustCreate(t, s, tenant, spec)
	text, prefixed := strings.CutPrefix(key.PublicKey, "whpk_")
	if public := rig.Ok(base64.StdEncoding.DecodeString(text))(t); !prefixed || len(public) != 32 || key.Secret != "" {
		t.Errorf("got a public key of %d bytes and prefix whpk_: %v, want 32 and true", len(public), prefixed)
	}
	o := rig.Ok(s.Prepare(context.Background(), e, "msg_1", rig.OrderEvent(tenant), time.Now()))(t)
	if !strings.HasPrefix(o.Header["Webhook-Signature"][0], "v1a,") || !passes(t, key, o, time.Now()) {
		t.Errorf("got %s, want a valid v1a signature", o.Header["Webhook-Signature"])
	}
	o.Body = append([]byte{}, o.Body...)
	o.Body[0] ^= 1
	if passes(t, key, o, time.Now()) {
		t.Error("an altered body verifies")
	}
}
