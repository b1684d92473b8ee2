package signing_test

import (
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/signing"
)

// attack alters a request that would otherwise be accepted.
type attack struct {
	name   string
	scheme string
	change func(h http.Header, r *signing.Request)
	want   string
}

func set(header, value string) func(http.Header, *signing.Request) {
	return func(h http.Header, _ *signing.Request) { h.Set(header, value) }
}

// edit rewrites the value of a header.
func edit(header string, f func(string) string) func(http.Header, *signing.Request) {
	return func(h http.Header, _ *signing.Request) { h.Set(header, f(h.Get(header))) }
}

func body(f func(string) string) func(http.Header, *signing.Request) {
	return func(_ http.Header, r *signing.Request) { r.Body = []byte(f(string(r.Body))) }
}

const (
	hub    = "X-Hub-Signature-256"
	stripe = "Stripe-Signature"
	shop   = "X-Shopify-Hmac-Sha256"
	slack  = "X-Slack-Signature"
	sw     = "Webhook-Signature"
)

func zeros(n int) string { return strings.Repeat("0", n) }

var b64zero = base64.StdEncoding.EncodeToString(make([]byte, 32))

var attacks = []attack{
	{"nothing altered: accepted", "github", func(http.Header, *signing.Request) {}, ""},
	{"upper-case hex: accepted, it is the same bytes", "github", edit(hub, func(v string) string {
		return "sha256=" + strings.ToUpper(v[7:])
	}), ""},

	{"no header: signature_missing", "github", func(h http.Header, _ *signing.Request) {
		h.Del(hub)
	}, signing.SignatureMissing},
	{"header without a value: signature_missing", "github", set(hub, ""), signing.SignatureMissing},
	{"header with no instance: signature_missing", "github", func(h http.Header, _ *signing.Request) {
		h[hub] = nil
	}, signing.SignatureMissing},
	{"white space only: signature_missing", "github", set(hub, " \t "), signing.SignatureMissing},
	{"prefix only: signature_malformed", "github", set(hub, "sha256="), signing.SignatureMalformed},
	{"prefix of a list item only: signature_malformed", "standard-webhooks", set(sw, "v1,"),
		signing.SignatureMalformed},
	{"truncated by a digit: signature_malformed", "github", edit(hub, func(v string) string {
		return v[:len(v)-1]
	}), signing.SignatureMalformed},
	{"truncated by a byte: signature_malformed", "github", edit(hub, func(v string) string {
		return v[:len(v)-2]
	}), signing.SignatureMalformed},
	{"a byte longer: signature_malformed", "github", edit(hub, func(v string) string {
		return v + "00"
	}), signing.SignatureMalformed},
	{"without the prefix: signature_malformed", "github", edit(hub, func(v string) string {
		return v[7:]
	}), signing.SignatureMalformed},
	{"prefix in upper case: signature_malformed", "github", edit(hub, func(v string) string {
		return "SHA256=" + v[7:]
	}), signing.SignatureMalformed},
	{"space after the prefix: signature_malformed", "github", edit(hub, func(v string) string {
		return "sha256= " + v[7:]
	}), signing.SignatureMalformed},
	{"not hex: signature_malformed", "github", set(hub, "sha256="+strings.Repeat("zz", 32)),
		signing.SignatureMalformed},
	{"base64 where hex belongs: signature_malformed", "github", set(hub, "sha256="+b64zero),
		signing.SignatureMalformed},
	{"hex where base64 belongs: signature_malformed", "shopify", set(shop, zeros(64)), signing.SignatureMalformed},
	{"base64 without padding: signature_malformed", "shopify", edit(shop, func(v string) string {
		return strings.TrimRight(v, "=")
	}), signing.SignatureMalformed},
	{"base64 of the URL alphabet: signature_malformed", "shopify", set(shop, strings.Repeat("-", 43)+"="),
		signing.SignatureMalformed},
	{"base64 with loose trailing bits: signature_malformed", "shopify", set(shop, strings.Repeat("A", 42)+"B="),
		signing.SignatureMalformed},
	{"base64 with line ends in it: signature_malformed", "shopify", edit(shop, func(v string) string {
		return v[:20] + "\r\n" + v[20:]
	}), signing.SignatureMalformed},
	{"base64 of 30 bytes padded with line ends: signature_malformed", "shopify",
		set(shop, strings.Repeat("A", 40)+"\n\n\n\n"), signing.SignatureMalformed},
	{"zeros: signature_mismatch", "github", set(hub, "sha256="+zeros(64)), signing.SignatureMismatch},

	{"a byte of the body altered: signature_mismatch", "github", body(func(b string) string {
		return strings.Replace(b, "1", "2", 1)
	}), signing.SignatureMismatch},
	{"newline after the body: signature_mismatch", "github", body(func(b string) string {
		return b + "\n"
	}), signing.SignatureMismatch},
	{"BOM before the body: signature_mismatch", "github", body(func(b string) string {
		return "\ufeff" + b
	}), signing.SignatureMismatch},
	{"LF of the body turned into CRLF: signature_mismatch", "github", body(func(b string) string {
		return strings.ReplaceAll(b, "\n", "\r\n")
	}), signing.SignatureMismatch},
	{"body re-serialised to equal JSON: signature_mismatch", "github", body(func(b string) string {
		return strings.ReplaceAll(b, " ", "")
	}), signing.SignatureMismatch},
	{"body dropped: signature_mismatch", "github", func(_ http.Header, r *signing.Request) {
		r.Body = nil
	}, signing.SignatureMismatch},

	{"two instances, both good: signature_duplicate", "github", func(h http.Header, _ *signing.Request) {
		h.Add(hub, h.Get(hub))
	}, signing.SignatureDuplicate},
	{"two instances, the second good: signature_duplicate", "github", func(h http.Header, _ *signing.Request) {
		h[hub] = []string{"sha256=" + zeros(64), h.Get(hub)}
	}, signing.SignatureDuplicate},
	{"two instances joined by a comma: signature_duplicate", "github", edit(hub, func(v string) string {
		return v + "," + v
	}), signing.SignatureDuplicate},
	{"two instances joined by comma and space: signature_duplicate", "shopify", edit(shop, func(v string) string {
		return v + ", " + v
	}), signing.SignatureDuplicate},
	{"two instances of a list: signature_duplicate", "standard-webhooks", func(h http.Header, _ *signing.Request) {
		h.Add(sw, h.Get(sw))
	}, signing.SignatureDuplicate},
	{"two lists joined by comma and space: signature_duplicate", "standard-webhooks", edit(sw, func(v string) string {
		return v + ", " + v
	}), signing.SignatureDuplicate},
	{"two timestamp headers: signature_duplicate", "slack", func(h http.Header, _ *signing.Request) {
		h.Add("X-Slack-Request-Timestamp", "1700000001")
	}, signing.SignatureDuplicate},
	{"two signed ids: signature_duplicate", "standard-webhooks", func(h http.Header, _ *signing.Request) {
		h.Add("Webhook-Id", "msg_2")
	}, signing.SignatureDuplicate},
	{"t= twice, the first fresh: signature_duplicate", "stripe", edit(stripe, func(v string) string {
		return "t=1700000001," + v
	}), signing.SignatureDuplicate},
	{"t= twice, the last fresh: signature_duplicate", "stripe", edit(stripe, func(v string) string {
		return v + ",t=1700000001"
	}), signing.SignatureDuplicate},
	{"t= twice and equal: signature_duplicate", "stripe", edit(stripe, func(v string) string {
		return v + ",t=1700000000"
	}), signing.SignatureDuplicate},

	{"good among 16 signatures: accepted", "stripe", edit(stripe, func(v string) string {
		return v + strings.Repeat(",v1="+zeros(64), 15)
	}), ""},
	{"17 signatures: too_many_signatures", "stripe", edit(stripe, func(v string) string {
		return v + strings.Repeat(",v1="+zeros(64), 16)
	}), signing.TooManySignatures},
	{"17 empty signatures: too_many_signatures", "standard-webhooks", edit(sw, func(v string) string {
		return strings.Repeat("v1, ", 16) + v
	}), signing.TooManySignatures},
	{"hundreds of signatures: too_many_signatures", "standard-webhooks", edit(sw, func(v string) string {
		return v + strings.Repeat(" v1,"+b64zero, 500)
	}), signing.TooManySignatures},
	{"a list one byte over 4 KB: too_many_signatures", "stripe", edit(stripe, func(v string) string {
		return v + "," + strings.Repeat("x", 4096-len(v))
	}), signing.TooManySignatures},
	{"a list of exactly 4 KB: accepted", "stripe", edit(stripe, func(v string) string {
		return v + "," + strings.Repeat("x", 4095-len(v))
	}), ""},
	{"a megabyte where one signature belongs: signature_malformed", "github", set(hub, "sha256="+zeros(1<<20)),
		signing.SignatureMalformed},

	{"unknown versions next to a good one: accepted", "stripe", edit(stripe, func(v string) string {
		return "v0=00,v2=zz," + v + ",v1a=1,x,=,,"
	}), ""},
	{"an unreadable v1 before a good one: accepted", "stripe", edit(stripe, func(v string) string {
		return "v1=bad,v1=," + v
	}), ""},
	{"an unreadable v1 before a good one in a list: accepted", "standard-webhooks", edit(sw, func(v string) string {
		return "v1,bad v1, " + v
	}), ""},
	{"a v1a signature next to a good one: accepted", "standard-webhooks", edit(sw, func(v string) string {
		return "v1a,hnO3f9T8 " + v
	}), ""},
	{"only v0: signature_malformed", "stripe", edit(stripe, func(v string) string {
		return strings.Replace(v, "v1=", "v0=", 1)
	}), signing.SignatureMalformed},
	{"only v2: signature_malformed", "standard-webhooks", edit(sw, func(v string) string {
		return "v2" + v[2:]
	}), signing.SignatureMalformed},
	{"only unreadable v1: signature_malformed", "stripe", set(stripe, "t=1700000000,v1=bad"),
		signing.SignatureMalformed},
	{"sha1 of the same bytes in the sha256 header: signature_malformed", "github", set(hub, "sha1="+zeros(40)),
		signing.SignatureMalformed},
	{"prefix names md5: signature_malformed", "github", set(hub, "md5="+zeros(32)), signing.SignatureMalformed},

	{"no timestamp header: timestamp_missing", "slack", func(h http.Header, _ *signing.Request) {
		h.Del("X-Slack-Request-Timestamp")
	}, signing.TimestampMissing},
	{"no t=: timestamp_missing", "stripe", edit(stripe, func(v string) string {
		return v[strings.Index(v, ",")+1:]
	}), signing.TimestampMissing},
	{"empty t=: timestamp_missing", "stripe", set(stripe, "t=,v1="+zeros(64)), signing.TimestampMissing},
	{"timestamp altered within tolerance: signature_mismatch", "slack", set("X-Slack-Request-Timestamp", "1700000001"),
		signing.SignatureMismatch},
	{"t= altered within tolerance: signature_mismatch", "stripe", edit(stripe, func(v string) string {
		return strings.Replace(v, "t=1700000000", "t=1700000001", 1)
	}), signing.SignatureMismatch},

	{"signed id absent: delivery_id_missing", "svix", func(h http.Header, _ *signing.Request) {
		h.Del("Svix-Id")
	}, signing.DeliveryIDMissing},
	{"signed id empty: delivery_id_missing", "svix", set("Svix-Id", ""), signing.DeliveryIDMissing},
	{"signed id of 257 bytes: delivery_id_missing", "svix", set("Svix-Id", strings.Repeat("a", 257)),
		signing.DeliveryIDMissing},
	{"signed id with a NUL: delivery_id_missing", "svix", set("Svix-Id", "a\x00b"), signing.DeliveryIDMissing},
	{"signed id altered: signature_mismatch", "svix", set("Svix-Id", "msg_2"), signing.SignatureMismatch},
	{"another scheme's headers: signature_missing", "svix", func(h http.Header, _ *signing.Request) {
		for from, to := range map[string]string{"Svix-Id": "Webhook-Id", "Svix-Timestamp": "Webhook-Timestamp",
			"Svix-Signature": sw} {
			h[to] = h[from]
			delete(h, from)
		}
	}, signing.SignatureMissing},
}

func TestAttack(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.scheme+": "+a.name, func(t *testing.T) {
			s := scheme(t, a.scheme)
			r := signed(t, s, "{\"n\": 1,\n \"id\": \"evt_1\"}")
			h := http.Header(maps.Clone(r.Header))
			a.change(h, &r)
			r.Header = h
			_, err := s.Verify(r, []signing.Secret{secret(t, s, 1), secret(t, s, 0)}, clock, signing.Options{})
			if got := code(t, err); got != a.want {
				t.Errorf("got %q, want %q (%v)", got, a.want, err)
			}
		})
	}
}
