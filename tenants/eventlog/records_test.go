package eventlog_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// The rows of the log have these bodies. A change here needs a migration.
func TestLogRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock begins at midnight of 2000-01-01
		table := rig.NewTable()
		l := eventlog.New(table)
		e := tenants.Event{
			ID: "evt_00000000000000000000000001", Type: "push", Data: []byte("one\xff"), ContentType: "text/plain",
			Source: "src_1", Time: time.Now().UTC(), Keep: -1,
			Provenance: &tenants.Provenance{
				Scheme: "github", Verified: true, SecretID: "sec_1", DeliveryID: "d-1", Attempt: 2,
				Headers: map[string]string{"X-Github-Event": "push"},
			},
		}
		rig.MustAppend(t, l, "orders", e)
		if _, err := l.Purge(context.Background(), rig.LogTenant, "orders"); err != nil {
			t.Fatal(err)
		}
		e.ID, e.End, e.DuplicateOf, e.Provenance = "evt_00000000000000000000000002",
			true, "evt_00000000000000000000000001", nil
		rig.MustAppend(t, l, "orders", e)
		interest := node.NewInterest(table)
		if err := interest.Register(context.Background(), "nod_1", time.Time{}, rig.LogTenant, "orders",
			0); err != nil {
			t.Fatal(err)
		}
		tenant := `"Tenant":"` + string(rig.LogTenant) + `"`
		for _, tt := range []struct {
			kind tenants.Kind
			sort string
			body string
		}{
			{"evt", "evt_00000000000000000000000001",
				`{"Channel":"orders","Seq":1,"BodyHash":"cYyxMqkH36uIBA8CBAxahvILURiFgBtiWOG9zs74Dhw="}`},
			{"head", "orders", `{"Seq":2}`},
			{"list/channels", "orders", `{"Name":"orders","Created":"2000-01-01T00:00:00Z","PurgedTo":1,"EmptyTo":1}`},
			{"interest/orders", "nod_1", `{"Subscribers":0}`},
			{"log/orders", "0000000000000000001", "\x01\xe5\x03" + `{"ID":"evt_00000000000000000000000001",` + tenant +
				`,"Channel":"orders","Seq":1,"Type":"push","Data":null,"ContentType":"text/plain","Source":"src_1",` +
				`"Time":"2000-01-01T00:00:00Z","End":false,"DuplicateOf":"","Provenance":{"Scheme":"github",` +
				`"Verified":true,"Legacy":false,"SecretID":"sec_1","Signed":"0001-01-01T00:00:00Z",` +
				`"DeliveryID":"d-1","Attempt":2,"ReplayOf":"","Headers":{"X-Github-Event":"push"},"Decoded":false},` +
				`"Keep":-1,"Hops":0,"Snapshot":false}`},
			{"log/orders", "0000000000000000002", "\x01\xc0\x02" + `{"ID":"evt_00000000000000000000000002",` + tenant +
				`,"Channel":"orders","Seq":2,"Type":"push","Data":null,"ContentType":"text/plain","Source":"src_1",` +
				`"Time":"2000-01-01T00:00:00Z","End":true,"DuplicateOf":"evt_00000000000000000000000001",` +
				`"Provenance":null,"Keep":-1,"Hops":0,"Snapshot":false}` + "one\xff"},
		} {
			row, err := table.Get(context.Background(),
				tenants.Key{Tenant: rig.LogTenant, Kind: tt.kind, Sort: tt.sort})
			if err != nil {
				t.Errorf("row %s %s: %v", tt.kind, tt.sort, err)
			} else if string(row.Body) != tt.body {
				t.Errorf("row %s %s: got\n%q, want\n%q", tt.kind, tt.sort, row.Body, tt.body)
			}
		}
	})
}

func TestDecodeEventRefuses(t *testing.T) {
	good := tenants.EncodeEvent(rig.Made("a", 1)[0])
	for name, b := range map[string][]byte{
		"nothing":                 nil,
		"another version":         append([]byte{2}, good[1:]...),
		"the version alone":       good[:1],
		"half a head":             good[:40],
		"a head without end":      append([]byte{1}, bytes.Repeat([]byte{0xff}, 20)...),
		"a head beyond the end":   {1, 200, 1, '{', '}'},
		"a head that is not JSON": {1, 2, '{', '{'},
		"an empty head":           {1, 0},
	} {
		if _, err := tenants.DecodeEvent(b); tenants.CodeOf(err) != "event_undecodable" {
			t.Errorf("%s: got %v, want event_undecodable", name, err)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add(tenants.EncodeEvent(rig.Made("a", 1)[0]))
	f.Add(tenants.EncodeEvent(tenants.Event{Provenance: &tenants.Provenance{Signed: time.Unix(1e9, 1)}, End: true,
		Data: []byte{0, 1}}))
	f.Add([]byte{1, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := tenants.DecodeEvent(b)
		if err != nil {
			if tenants.CodeOf(err) != "event_undecodable" {
				t.Errorf("got %v, want event_undecodable", err)
			}
			return
		}
		if !bytes.HasSuffix(b, e.Data) {
			t.Errorf("got payload %q, want a suffix of %q", e.Data, b)
		}
		once := tenants.EncodeEvent(e)
		again, err := tenants.DecodeEvent(once)
		if err != nil || !bytes.Equal(tenants.EncodeEvent(again), once) {
			t.Errorf("the event encoded again differs, want %q (%v)", once, err)
		}
	})
}
