package intake_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestPublish(t *testing.T) {
	ctx := context.Background()
	r := rig.NewIntakeRig(t)
	data := []byte("{ \"a\" : 1 }\n")
	got, err := r.Publisher.Publish(ctx, r.Tenant, intake.Publication{
		Channel: "jobs.7", Type: "progress", Data: data, ContentType: "application/json", End: true,
	})
	if err != nil || got.Channel != "jobs.7" || got.Duplicate {
		t.Fatalf("got %+v (%v), want a new event in jobs.7", got, err)
	}
	events := r.Queued(t)
	if len(events) != 1 {
		t.Fatalf("got %d events, want 1", len(events))
	}
	e := events[0]
	if e.ID != got.ID || e.Tenant != r.Tenant || string(e.Data) != string(data) || e.Type != "progress" || !e.End {
		t.Errorf("got %+v, want the last event, a progress of %q", e, data)
	}
	if e.Source != "" || e.Provenance != nil || time.Since(e.Time) > time.Minute {
		t.Errorf("got %+v, want an event of now without source and provenance", e)
	}
}

func TestPublishRefuses(t *testing.T) {
	r := rig.NewIntakeRig(t)
	r.Limit(t, map[string]int64{"event_bytes": 100})
	good := intake.Publication{Channel: "orders", Type: "created", Data: []byte("{}")}
	channel := func(s string) func(*intake.Publication) { return func(p *intake.Publication) { p.Channel = s } }
	eventType := func(s string) func(*intake.Publication) { return func(p *intake.Publication) { p.Type = s } }
	id := func(s string) func(*intake.Publication) { return func(p *intake.Publication) { p.ID = s } }
	data := func(size int) func(*intake.Publication) {
		return func(p *intake.Publication) { p.Data = make([]byte, size) }
	}
	for _, tt := range []struct {
		name   string
		change func(*intake.Publication)
		kind   tenants.ErrorKind
		code   string
	}{
		{"no channel", channel(""), tenants.Unprocessable, "invalid_channel"},
		{"a channel in capitals", channel("Orders"), tenants.Unprocessable, "invalid_channel"},
		{"a pattern for a channel", channel("orders.*"), tenants.Unprocessable, "invalid_channel"},
		{"no type", eventType(""), tenants.Unprocessable, "invalid_type"},
		{"a type with CR", eventType("a\rb"), tenants.Unprocessable, "invalid_type"},
		{"a type with LF", eventType("a\nb"), tenants.Unprocessable, "invalid_type"},
		{"a type with NUL", eventType("a\x00b"), tenants.Unprocessable, "invalid_type"},
		{"a type with a space", eventType("a b"), tenants.Unprocessable, "invalid_type"},
		{"a type beyond ASCII", eventType("é"), tenants.Unprocessable, "invalid_type"},
		{"a type of 129", eventType(strings.Repeat("a", 129)), tenants.Unprocessable, "invalid_type"},
		{"the type error", eventType("error"), tenants.Unprocessable, "reserved_type"},
		{"the type open", eventType("open"), tenants.Unprocessable, "reserved_type"},
		{"the type message", eventType("message"), tenants.Unprocessable, "reserved_type"},
		{"a type of ours", eventType("hookcast.gap"), tenants.Unprocessable, "reserved_type"},
		{"an id with CR", id("a\rb"), tenants.Unprocessable, "invalid_id"},
		{"an id with LF", id("a\n"), tenants.Unprocessable, "invalid_id"},
		{"an id with NUL", id("\x00"), tenants.Unprocessable, "invalid_id"},
		{"an id that is not UTF-8", id("\xff"), tenants.Unprocessable, "invalid_id"},
		{"an id of 129", id(strings.Repeat("a", 129)), tenants.Unprocessable, "invalid_id"},
		{"one byte too large", data(101), tenants.TooLarge, "event_too_large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := good
			tt.change(&p)
			_, err := r.Publisher.Publish(context.Background(), r.Tenant, p)
			rig.WantError(t, err, tt.kind, tt.code)
		})
	}
	for _, change := range []func(*intake.Publication){
		eventType(strings.Repeat("a", 128)),
		eventType("A.b_c:d/e-1"),
		id(strings.Repeat("a", 128)),
		id("Auftrag 42/ß"),
		data(100),
		func(p *intake.Publication) { p.Data = nil },
	} {
		p := good
		change(&p)
		if _, err := r.Publisher.Publish(context.Background(), r.Tenant, p); err != nil {
			t.Errorf("%+v: got %v, want it accepted", p, err)
		}
	}
	_, err := r.Publisher.Publish(context.Background(), tenants.TenantID(tenants.NewID(tenants.PrefixTenant)), good)
	rig.WantError(t, err, tenants.NotFound, "tenant_not_found")
}

// An id names one event of its channel. With another body it is an event that is marked; another channel has ids of its
// own.
func TestPublishOnceByID(t *testing.T) {
	r := rig.NewIntakeRig(t)
	publish := func(channel, id, data string) intake.Accepted {
		t.Helper()
		p := intake.Publication{Channel: channel, Type: "t", ID: id, Data: []byte(data)}
		got, err := r.Publisher.Publish(context.Background(), r.Tenant, p)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := publish("orders", "1", "one")
	r.AppendAll(t)
	if again := publish("orders", "1", "one"); !again.Duplicate || again.ID != first.ID {
		t.Errorf("again: got %+v, want a duplicate of %s", again, first.ID)
	}
	if other := publish("orders", "1", "changed"); other.Duplicate || other.ID == first.ID {
		t.Errorf("another body: got %+v, want a new event", other)
	}
	if other := publish("returns", "1", "one"); other.Duplicate || other.ID == first.ID {
		t.Errorf("another channel: got %+v, want a new event", other)
	}
	publish("orders", "", "same")
	publish("orders", "", "same")
	r.AppendAll(t)
	rig.WantData(t, r.All(t, "orders"), "one", "changed", "same", "same")
	rig.WantData(t, r.All(t, "returns"), "one")
}

func TestPublishKeepsTheOrderOfASender(t *testing.T) {
	r := rig.NewIntakeRig(t)
	var want []string
	for i := range 300 {
		data := fmt.Sprint(i)
		want = append(want, data)
		r.Limit(t, map[string]int64{"events_per_second": 0})
		p := intake.Publication{Channel: "orders", Type: "t", Data: []byte(data)}
		if _, err := r.Publisher.Publish(context.Background(), r.Tenant, p); err != nil {
			t.Fatal(err)
		}
	}
	r.AppendAll(t)
	if got := rig.DataOf(r.All(t, "orders")); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestChannelLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		r.Limit(t, map[string]int64{"channels": 3})
		publish := func(channel string) error {
			_, err := r.Publisher.Publish(t.Context(), r.Tenant, intake.Publication{Channel: channel, Type: "t"})
			return err
		}
		for _, channel := range []string{"a", "b", "a", "c", "b"} { // none of them is stored yet
			if err := publish(channel); err != nil {
				t.Fatalf("%s: %v", channel, err)
			}
		}
		rig.WantError(t, publish("d"), tenants.TooMany, "channel_limit")
		r.AppendAll(t)
		for _, wait := range []time.Duration{0, 6 * time.Second, time.Hour} {
			time.Sleep(wait)
			rig.WantError(t, publish("d"), tenants.TooMany, "channel_limit")
			if err := publish("c"); err != nil {
				t.Errorf("a channel that exists, after %v: got %v, want it accepted", wait, err)
			}
		}
		r.Limit(t, map[string]int64{"channels": 4})
		if err := publish("d"); err != nil {
			t.Errorf("with a higher limit: got %v, want it accepted", err)
		}
		rig.WantError(t, publish("e"), tenants.TooMany, "channel_limit")
		r.Queued(t) // lost: d never begins, and its place is free after a while
		time.Sleep(2 * time.Minute)
		if err := publish("e"); err != nil {
			t.Errorf("in place of a channel that never began: got %v, want it accepted", err)
		}
	})
}
