package tenants_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func someNotices() []tenants.InboxMessage {
	at := time.Date(2025, 3, 4, 5, 6, 7, 8_000_000, time.UTC)
	event := func(seq int64, data string) tenants.Event {
		return tenants.Event{
			ID: "evt_01arz3ndektsv4rrffq69g5fav", Tenant: rig.LogTenant, Channel: "orders.42", Seq: seq,
			Type: "order.paid", Data: []byte(data),
			ContentType: "application/json", Source: "src_01arz3ndektsv4rrffq69g5fav", Time: at, End: seq == 2,
			Provenance: &tenants.Provenance{Scheme: "github", Verified: true, DeliveryID: "72d3162e", Attempt: 3},
		}
	}
	return []tenants.InboxMessage{
		{Tenant: rig.LogTenant},
		{Tenant: rig.LogTenant, Channel: "orders.42"},
		{Tenant: rig.LogTenant, Order: &tenants.Order{Do: tenants.OrderReturn, Subject: "alice"}},
		{Tenant: rig.LogTenant, Order: &tenants.Order{Do: tenants.OrderRenew, Ask: "ask_1", Connection: "con_1",
			Principal: &tenants.Principal{Tenant: rig.LogTenant, Roles: []string{"viewer"}, Expires: at}}},
		{Tenant: rig.LogTenant, Channel: "orders.42", Events: []tenants.Event{event(1, `{"a":1}`), event(2, "\x00\xff"),
			event(3, strings.Repeat("x", 100_000))}},
	}
}

func TestNoticesComeBackAsTheyWere(t *testing.T) {
	for _, n := range someNotices() {
		got, err := tenants.DecodeInboxMessage(tenants.EncodeInboxMessage(n))
		if err != nil || !reflect.DeepEqual(got, n) {
			t.Errorf("got %+v, %v, want %+v", got, err, n)
		}
	}
}

// Nodes and appenders of two releases run at the same time during a deployment, so each must read what the other
// writes.
func TestNoticeEncodingStays(t *testing.T) {
	const written = "01" + "1e" + "74656e5f303161727a336e64656b7473763472726666713639673566617a" +
		"06" + "6f7264657273" +
		"1b" + "01" + "17" + "7b224944223a226576745f78222c22536571223a377d" + "0a" + "2a7b"
	b, err := hex.DecodeString(written)
	if err != nil {
		t.Fatal(err)
	}
	n, err := tenants.DecodeInboxMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	if n.Tenant != "ten_01arz3ndektsv4rrffq69g5faz" || n.Channel != "orders" || len(n.Events) != 1 {
		t.Fatalf("got %+v, want one event of the tenant ten_01arz3ndektsv4rrffq69g5faz in orders", n)
	}
	want := tenants.Event{ID: "evt_x", Tenant: n.Tenant, Channel: "orders", Seq: 7, Data: []byte("*{")}
	if !reflect.DeepEqual(n.Events[0], want) {
		t.Errorf("got %+v, want %+v", n.Events[0], want)
	}
}

func TestWhatIsNoNoticeIsRefused(t *testing.T) {
	whole := tenants.EncodeInboxMessage(someNotices()[4])
	newer := bytes.Clone(whole)
	newer[0] = 255
	order := tenants.EncodeInboxMessage(someNotices()[2])
	for name, b := range map[string][]byte{
		"nothing":                         nil,
		"a newer version":                 newer,
		"no channel":                      whole[:20],
		"half an event":                   whole[:200],
		"one byte short":                  whole[:len(whole)-1],
		"an event in an unknown encoding": append(bytes.Clone(whole), 1, 9),
		"half an order":                   order[:len(order)-1],
		"more than an order":              append(bytes.Clone(order), 0),
		"an order that is not JSON":       append(bytes.Clone(order[:32]), 2, '{', '{'),
	} {
		if n, err := tenants.DecodeInboxMessage(b); tenants.CodeOf(err) != "notice_undecodable" || n.Tenant != "" {
			t.Errorf("%s: got %+v, %v, want notice_undecodable", name, n, err)
		}
	}
}

func FuzzDecodeNotice(f *testing.F) {
	for _, n := range someNotices() {
		n.Events = n.Events[:min(2, len(n.Events))] // the third is large and slow to mutate
		f.Add(tenants.EncodeInboxMessage(n))
	}
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := tenants.DecodeInboxMessage(b)
		if err != nil {
			if tenants.CodeOf(err) != "notice_undecodable" {
				t.Errorf("got error %v, want notice_undecodable", err)
			}
			return
		}
		again, err := tenants.DecodeInboxMessage(tenants.EncodeInboxMessage(n))
		if err != nil || !reflect.DeepEqual(again, n) {
			t.Errorf("%+v became %+v, %v", n, again, err)
		}
	})
}
