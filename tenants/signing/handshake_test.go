package signing_test

import (
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/signing"
)

func TestSignedHandshakeIsEchoedAsPlainText(t *testing.T) {
	s := scheme(t, "slack")
	r := signed(t, s,
		`{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}`)
	v, err := s.Verify(r, []signing.Secret{secret(t, s, 0)}, clock, signing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reply, ok := s.Challenge(v, r, []signing.Secret{secret(t, s, 0)})
	if !ok || reply.Status != 200 || reply.ContentType != "text/plain; charset=utf-8" ||
		string(reply.Body) != "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" {
		t.Errorf("got %+v, %v; want the challenge as plain text", reply, ok)
	}
}

func TestHandshakeThatIsNotSignedGetsNoAnswer(t *testing.T) {
	s := scheme(t, "slack")
	r := signed(t, s, `{"challenge":"x","type":"url_verification"}`)
	other := scheme(t, "none")
	unsigned, err := other.Verify(r, nil, clock, signing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	refused, err := s.Verify(r, []signing.Secret{secret(t, s, 1)}, clock, signing.Options{})
	if err == nil {
		t.Fatal("accepted under a wrong secret")
	}
	for name, v := range map[string]signing.Verified{"zero": {}, "refused": refused, "verified as none": unsigned,
		"under no secret": {Scheme: "slack", Secret: -1}} {
		if _, ok := s.Challenge(v, r, []signing.Secret{secret(t, s, 0)}); ok {
			t.Errorf("%s: answered", name)
		}
	}
}

func TestWhatIsNoHandshakeGetsNoAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"another type":           `{"type":"event_callback","challenge":"x"}`,
		"type inside the event":  `{"event":{"type":"url_verification"},"challenge":"x"}`,
		"no challenge":           `{"type":"url_verification"}`,
		"empty challenge":        `{"type":"url_verification","challenge":""}`,
		"challenge of 513 bytes": `{"type":"url_verification","challenge":"` + strings.Repeat("x", 513) + `"}`,
		"megabyte of challenge":  `{"type":"url_verification","challenge":"` + strings.Repeat("x", 1<<20) + `"}`,
		"line end in challenge":  `{"type":"url_verification","challenge":"a\r\nSet-Cookie: b"}`,
		"challenge not ASCII":    `{"type":"url_verification","challenge":"ä"}`,
		"challenge is an object": `{"type":"url_verification","challenge":{}}`,
		"not JSON":               `challenge=x&type=url_verification`,
	} {
		s := scheme(t, "slack")
		r := signed(t, s, body)
		v, err := s.Verify(r, []signing.Secret{secret(t, s, 0)}, clock, signing.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if reply, ok := s.Challenge(v, r, []signing.Secret{secret(t, s, 0)}); ok {
			t.Errorf("%s: answered with %q, want no answer", name, reply.Body)
		}
	}
	s := scheme(t, "stripe")
	r := signed(t, s, `{"type":"url_verification","challenge":"x"}`)
	v, err := s.Verify(r, []signing.Secret{secret(t, s, 0)}, clock, signing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Challenge(v, r, []signing.Secret{secret(t, s, 0)}); ok {
		t.Error("a scheme without a handshake answers")
	}
}
