package intake_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func gzipped(t testing.TB, plain string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEncoded(t *testing.T) {
	for _, tt := range []struct {
		values  []string
		gzipped bool
		refused bool
	}{
		{},
		{values: []string{""}},
		{values: []string{"identity"}},
		{values: []string{"Identity, identity"}},
		{values: []string{"gzip"}, gzipped: true},
		{values: []string{" X-GZip\t"}, gzipped: true},
		{values: []string{"identity", "gzip"}, gzipped: true},
		{values: []string{"gzip, gzip"}, refused: true},
		{values: []string{"gzip", "gzip"}, refused: true},
		{values: []string{"gzip,br"}, refused: true},
		{values: []string{"br"}, refused: true},
		{values: []string{"zstd"}, refused: true},
		{values: []string{"deflate"}, refused: true},
		{values: []string{"gzip;q=1"}, refused: true},
	} {
		got, err := intake.Gzipped(map[string][]string{"Content-Encoding": tt.values})
		if tt.refused {
			rig.WantError(t, err, tenants.UnsupportedMediaType, "content_encoding")
		} else if err != nil || got != tt.gzipped {
			t.Errorf("%q: got %v (%v), want %v", tt.values, got, err, tt.gzipped)
		}
	}
}

// encodedWebhook returns a webhook whose encoded body is signed as it is sent.
func encodedWebhook(t *testing.T, token, wire, coding string) intake.Inbound {
	t.Helper()
	in := rig.Github(t, token, "", "", wire)
	in.Header["Content-Encoding"] = []string{coding}
	return in
}

func TestReceiveVerifiesWhatWasSentAndKeepsWhatItSays(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, rig.GithubSpec)
	plain := `{"repository":{"name":"packed"},"x":"` + strings.Repeat("lorem ipsum ", 5) + `"}`
	in := rig.Github(t, token, "d-1", "push", gzipped(t, plain))
	in.Header["Content-Encoding"] = []string{"gzip"}
	got, err := r.Receiver.Receive(t.Context(), in)
	if err != nil || got.Channel != "github.packed" {
		t.Fatalf("got %+v (%v), want channel github.packed", got, err)
	}
	if e := r.Queued(t)[0]; string(e.Data) != plain || e.ContentType != "application/json" || e.Type != "push" {
		t.Errorf("got %+v with data %q, want a push of %q as application/json", e, e.Data, plain)
	} else if p := e.Provenance; !p.Decoded ||
		fmt.Sprint(p.Headers) != "map[X-Github-Delivery:d-1 X-Github-Event:push]" {
		t.Errorf("got provenance %+v, want one without the signature, which is of other bytes", p)
	}

	// The delivery's id and type are read from the decoded body, too.
	custom := &signing.Custom{IDField: "id", TypeField: "kind"}
	_, token = r.Source(t, source.Spec{Provider: "none", Channel: "all", Custom: custom})
	for range 2 {
		in := intake.Inbound{
			Token: token, Method: "POST", Body: []byte(gzipped(t, `{"id":"n-1","kind":"order.paid"}`)),
			Received: in.Received, Header: map[string][]string{"Content-Encoding": {"gzip"}},
		}
		if _, err := r.Receiver.Receive(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	events := r.Queued(t)
	if len(events) != 1 || events[0].Type != "order.paid" || events[0].Provenance.DeliveryID != "n-1" {
		t.Errorf("got %+v, want one order.paid with delivery id n-1", events)
	}
}

func TestReceiveOfABombAndOfWhatIsNoGzip(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"})
	small := gzipped(t, strings.Repeat("x", 400))
	for _, tt := range []struct {
		name, wire, coding string
		kind               tenants.ErrorKind
		code               string
	}{
		{"a bomb", gzipped(t, strings.Repeat("\x00", 64<<20)), "gzip", tenants.TooLarge, "event_too_large"},
		{"a small bomb", gzipped(t, strings.Repeat("\x00", 1<<20)), "gzip", tenants.TooLarge, "decoded_too_large"},
		{"eleven times itself", small, "gzip", tenants.TooLarge, "decoded_too_large"},
		{"twice encoded", gzipped(t, gzipped(t, "{}")), "gzip, gzip", tenants.UnsupportedMediaType, "content_encoding"},
		{"brotli", "{}", "br", tenants.UnsupportedMediaType, "content_encoding"},
		{"not gzip", "{}", "gzip", tenants.Invalid, "body_undecodable"},
		{"empty", "", "gzip", tenants.Invalid, "body_undecodable"},
		{"cut off", gzipped(t, "a body that is cut")[:20], "gzip", tenants.Invalid, "body_undecodable"},
		{"trailing data", gzipped(t, "{}") + "{}", "gzip", tenants.Invalid, "body_undecodable"},
	} {
		_, err := r.Receiver.Receive(t.Context(), encodedWebhook(t, token, tt.wire, tt.coding))
		rig.WantError(t, err, tt.kind, tt.code)
		if events := r.Queued(t); len(events) != 0 {
			t.Errorf("%s: got %d events, want none", tt.name, len(events))
		}
	}
	forged := encodedWebhook(t, token, gzipped(t, strings.Repeat("\x00", 1<<20)), "gzip")
	forged.Body = append(forged.Body, 0)
	_, err := r.Receiver.Receive(t.Context(), forged) // not decoded at all
	rig.WantError(t, err, tenants.Unauthenticated, signing.SignatureMismatch)

	r.Limit(t, map[string]int64{"event_bytes": 300})
	large := gzipped(t, strings.Repeat("0123456789abcdefghij", 16))
	_, err = r.Receiver.Receive(t.Context(), encodedWebhook(t, token, large, "gzip"))
	rig.WantError(t, err, tenants.TooLarge, "event_too_large")
}
