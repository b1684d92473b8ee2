package dynamo

import (
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
)

func TestKeysHaveOnePlaceEach(t *testing.T) {
	places := map[[2]string]tenants.Key{}
	for _, tenant := range []tenants.TenantID{"sys", "ten_a", "ten_ab"} {
		for _, kind := range []tenants.Kind{"evt", "tenant", "log", "log/a", "log/a.b", "log/a-b"} {
			for _, sort := range []string{"", "-", "#", "##", "a", "a#b", "log/a", "evt#a", strings.Repeat("#", 1024)} {
				k := tenants.Key{Tenant: tenant, Kind: kind, Sort: sort}
				if kind.Ordered() && sort == "" {
					continue
				}
				pk, sk := encodeKey(k)
				if was, taken := places[[2]string{pk, sk}]; taken {
					t.Errorf("%v and %v have the same keys %q, %q", was, k, pk, sk)
				}
				places[[2]string{pk, sk}] = k
				if got, ok := decodeKey(pk, sk); !ok || got != k {
					t.Errorf("decodeKey of the keys of %v = %v, %v", k, got, ok)
				}
				if !strings.HasPrefix(pk, string(tenant)+"#") {
					t.Errorf("partition key %q does not begin with its tenant %s", pk, tenant)
				}
				if len(pk) > 2048 || len(sk) > 1024 || sk == "" {
					t.Errorf("keys have %d and %d bytes, want at most 2048 and 1 to 1024", len(pk), len(sk))
				}
			}
		}
	}
}

func TestOtherKeysAreNotDecoded(t *testing.T) {
	for _, c := range [][2]string{
		{"", ""}, {"ten", "1"}, {"#evt#a", "-"}, {"ten#", "1"}, {"ten##a", "-"},
		{"ten#evt", "-"}, {"ten#evt#a", "1"}, {"ten#evt#a", ""}, {"ten#log/a#1", "-"},
	} {
		if k, ok := decodeKey(c[0], c[1]); ok {
			t.Errorf("decodeKey(%q) = %v, want a refusal", c, k)
		}
	}
}

func FuzzDecodeKey(f *testing.F) {
	f.Add("ten#evt#a#b", "-")
	f.Add("ten#log/a", "1")
	f.Fuzz(func(t *testing.T, pk, sk string) {
		k, ok := decodeKey(pk, sk)
		if !ok {
			return
		}
		if p, s := encodeKey(k); p != pk || s != sk {
			t.Errorf("decodeKey(%q, %q) = %v, which has keys %q, %q", pk, sk, k, p, s)
		}
	})
}
