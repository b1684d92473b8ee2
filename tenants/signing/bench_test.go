package signing

import (
	"strings"
	"testing"
	"time"
)

// BenchmarkVerify measures one webhook of 1 KB under a single secret, metadata included.
func BenchmarkVerify(b *testing.B) {
	for _, p := range players(b, 0) {
		name := p.Name
		if p.Custom == AllTerms || p.markOf(p.Signer) != p.Mark {
			name += "/" + string(p.markOf(p.Signer).Algorithm)
		}
		r := p.compose(b, []byte(`{"id":"evt_1","data":"`+strings.Repeat("x", 980)+`","type":"t"}`), "msg_1")
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(r.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.verify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerifyWorst measures the most expensive request: 16 signatures, 4 secrets, a large body without fields.
func BenchmarkVerifyWorst(b *testing.B) {
	s, _ := Lookup("stripe")
	var secrets []Secret
	for _, fill := range []string{"a", "b", "c", "d"} {
		secret, err := s.ParseSecret(strings.Repeat(fill, 64))
		if err != nil {
			b.Fatal(err)
		}
		secrets = append(secrets, secret)
	}
	body := []byte("{" + strings.Repeat(`"typ":[{}],`, 256<<10/11) + `"x":1}`)
	now := time.Unix(1_700_000_000, 0)
	headers, err := s.Sign(secrets[3], Request{Body: body}, "", now)
	if err != nil {
		b.Fatal(err)
	}
	junk := strings.Repeat(",v1="+strings.Repeat("0", 64), MaxSignatures-1)
	r := Request{Body: body, Header: map[string][]string{"Stripe-Signature": {headers["Stripe-Signature"][0] + junk}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Verify(r, secrets, now, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Lookup("none"); !ok {
			b.Fatal("the scheme none does not exist")
		}
	}
}

// BenchmarkVerifyFieldsWorst measures an unauthenticated request to a scheme that signs fields: a large body of names
// that resemble theirs.
func BenchmarkVerifyFieldsWorst(b *testing.B) {
	for _, p := range players(b, 0) {
		if p.Name != "adyen" {
			continue
		}
		r := p.compose(b, []byte("x"), "psp1")
		r.Body = []byte(strings.Replace(string(r.Body), `"eventCode"`,
			strings.Repeat(`"\u0070spRefer":1,`, 256<<10/18)+`"eventCode"`, 1))
		r.Body = []byte(strings.Replace(string(r.Body), `"value":1000`, `"value":1001`, 1))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.verify(r); codeOf(err) != SignatureMismatch {
				b.Fatal(err)
			}
		}
	}
}
