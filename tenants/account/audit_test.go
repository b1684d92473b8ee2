package account_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

func TestAuditEntriesAreListedTheLatestFirstAndKept400Days(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := account.NewAuditLog(tenantstest.NewTable(tenantstest.Faults{}))
		for n := range 25 {
			e := account.AuditEntry{Time: time.Now(), Actor: "key_1", Action: "source.update",
				Object: string(rune('a' + n)), IP: "192.0.2.1", RequestID: "req_1"}
			to := []tenants.TenantID{"ten_a"}
			if n == 3 {
				to = append(to, tenants.System)
			}
			if err := l.Add(t.Context(), e, to...); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		read := func(of tenants.TenantID) (objects string) {
			t.Helper()
			for after := ""; ; {
				entries, next, err := l.List(t.Context(), of, after, 10)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					if !tenants.ValidID(tenants.PrefixAudit, e.ID) || e.Actor != "key_1" || e.IP != "192.0.2.1" {
						t.Errorf("got %+v, want a valid id, actor key_1 and address 192.0.2.1", e)
					}
					objects += e.Object
				}
				if after = next; next == "" {
					return objects
				}
			}
		}
		if got := read("ten_a"); got != "yxwvutsrqponmlkjihgfedcba" {
			t.Errorf("ten_a: got %s, want all entries, the latest first", got)
		}
		if got := read(tenants.System); got != "d" {
			t.Errorf("the operator: got %s, want d", got)
		}
		if got := read("ten_b"); got != "" {
			t.Errorf("ten_b: got %s, want nothing", got)
		}
		time.Sleep(399 * 24 * time.Hour)
		if got := read("ten_a"); len(got) != 25 {
			t.Errorf("after 399 days: got %s, want 25 entries", got)
		}
		time.Sleep(2 * 24 * time.Hour)
		if got := read("ten_a"); got != "" {
			t.Errorf("after 401 days: got %s, want nothing", got)
		}
	})
}
