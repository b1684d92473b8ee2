package source_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// shelf is a Certificates with one answer. It records the addresses that it was asked for.
type shelf struct {
	cert  *x509.Certificate
	err   error
	asked []string
}

func (s *shelf) Certificate(_ context.Context, url string) (*x509.Certificate, error) {
	s.asked = append(s.asked, url)
	return s.cert, s.err
}

func TestVerifierFetchesACertificateOnlyForWhatCouldBeSignedWithIt(t *testing.T) {
	ctx := t.Context()
	r := rig.NewIntakeRig(t)
	const webhookID = "8PT597110X687430L"
	src, token := r.Source(t, source.Spec{Provider: "paypal", Secret: webhookID, Channel: "paypal"})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1),
		Subject:   pkix.Name{CommonName: "messageverificationcerts.paypal.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	scheme := rig.Ok(src.Scheme())(t)
	signer, err := scheme.Signer(webhookID, key)
	if err != nil {
		t.Fatal(err)
	}
	const address = "https://api.paypal.com/v1/notifications/certs/CERT-1"
	post := func() intake.Inbound {
		in := intake.Inbound{Token: token, Method: "POST", URL: "https://hooks.example/in/" + token,
			Body: []byte(`{"id":"WH-1","event_type":"PAYMENT"}`), Received: time.Now(),
			Header: map[string][]string{"Paypal-Transmission-Id": {"t-1"}, "Paypal-Cert-Url": {address}}}
		signed, err := scheme.Sign(signer, signing.Request{Method: "POST", Header: in.Header, Body: in.Body},
			"", in.Received)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range signed {
			in.Header[name] = values
		}
		return in
	}
	for name, c := range map[string]struct {
		shelf  shelf
		change func(*intake.Inbound)
		kind   tenants.ErrorKind
		code   string
		asked  int
	}{
		"signed": {shelf: shelf{cert: certificate}, asked: 1},
		"altered": {shelf{cert: certificate}, func(in *intake.Inbound) {
			in.Body[2] = 'X'
		}, tenants.Unauthenticated, "signature_mismatch", 1},
		"without a signature": {shelf{cert: certificate}, func(in *intake.Inbound) {
			delete(in.Header, "Paypal-Transmission-Sig")
		}, tenants.Unauthenticated, "signature_missing", 0},
		"without a time": {shelf{cert: certificate}, func(in *intake.Inbound) {
			delete(in.Header, "Paypal-Transmission-Time")
		}, tenants.Unauthenticated, "timestamp_missing", 0},
		"without an address": {shelf{cert: certificate}, func(in *intake.Inbound) {
			delete(in.Header, "Paypal-Cert-Url")
		}, tenants.Unauthenticated, "certificate_missing", 0},
		"of a host that is another": {shelf{cert: certificate}, func(in *intake.Inbound) {
			in.Header["Paypal-Cert-Url"] = []string{"https://169.254.169.254/x"}
		}, tenants.Unauthenticated, "certificate_refused", 0},
		"while nobody answers": {shelf{err: tenants.Errorf(tenants.Unavailable, "certificate_unavailable",
			"down")}, nil, tenants.Unavailable, "certificate_unavailable", 1},
		"whose chain does not hold": {shelf{err: tenants.Errorf(tenants.Unauthenticated, "certificate_refused", "no")},
			nil, tenants.Unauthenticated, "certificate_refused", 1},
		"in a signature of no bytes": {shelf{cert: certificate}, func(in *intake.Inbound) {
			in.Header["Paypal-Transmission-Sig"] = []string{""}
		}, tenants.Unauthenticated, "signature_missing", 0},
	} {
		t.Run(name, func(t *testing.T) {
			receiver := intake.NewReceiver(r.Sources, source.NewVerifier(&c.shelf),
				intake.NewIntake(r.Accounts, eventlog.New(r.Table), r.Queue))
			in := post()
			if c.change != nil {
				c.change(&in)
			}
			got, err := receiver.Receive(ctx, in)
			if c.code != "" {
				rig.WantError(t, err, c.kind, c.code)
			} else if err != nil || got.ID == "" {
				t.Errorf("got %+v, %v, want an event", got, err)
			}
			if len(c.shelf.asked) != c.asked || c.asked > 0 && c.shelf.asked[0] != address {
				t.Errorf("fetched %v, want %d fetches of %s", c.shelf.asked, c.asked, address)
			}
			events := r.Queued(t)
			if (len(events) == 1) != (c.code == "") {
				t.Errorf("%d events are queued, want one only without an error", len(events))
			}
		})
	}
	_, err = intake.NewReceiver(r.Sources, source.NewVerifier(nil),
		intake.NewIntake(r.Accounts, eventlog.New(r.Table), r.Queue)).Receive(ctx, post())
	rig.WantError(t, err, tenants.Unauthenticated, signing.CertificateMissing)
}
