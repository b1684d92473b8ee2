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
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// wantNotices fails the test unless the tenant was told the notices wanted, each with a warning's data, in order.
func wantNotices(t *testing.T, r *rig.IntakeRig, want ...string) {
	t.Helper()
	r.AppendAll(t)
	var got []string
	for _, e := range r.All(t, tenants.NoticesChannel) {
		if e.Type != intake.TypeLimitWarning || e.DuplicateOf != "" {
			t.Errorf("got notice %+v, want a limit warning that is not a duplicate", e)
		}
		got = append(got, string(e.Data))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the notices\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A tenant is told once in a period, even if several processes notice, and again when the limit has changed.
func TestATenantIsToldOnceThatItsMonthRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		followed(t, r)
		r.Limit(t, map[string]int64{"events_per_month": 10, "events_per_second": 0, "retention_seconds": 0})
		first := `{"limit":"events_per_month","max":10,"percent":80,"period":"2000-01"}`
		for i := range 10 {
			if i == 7 {
				wantNotices(t, r)
			}
			if i == 8 {
				wantNotices(t, r, first)
			}
			if err := publish(r, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		r.AppendAll(t)
		time.Sleep(10 * time.Second)
		another := intake.NewPublisher(intake.NewIntake(r.Accounts, r.Log, r.Queue))
		r.Limit(t, map[string]int64{"events_per_month": 12})
		for i := range 2 {
			b := intake.Publication{Channel: "orders", Type: "t", ID: fmt.Sprint("b", i)}
			if _, err := another.Publish(t.Context(), r.Tenant, b); err != nil {
				t.Fatal(err)
			}
			if err := publish(r, fmt.Sprint("c", i)); i == 0 && err != nil {
				t.Fatal(err)
			}
		}
		second := `{"limit":"events_per_month","max":12,"percent":80,"period":"2000-01"}`
		wantNotices(t, r, first, second)

		time.Sleep(31 * 24 * time.Hour)
		for i := range 12 {
			if err := publish(r, fmt.Sprint("d", i)); err != nil {
				t.Fatal(err)
			}
		}
		wantNotices(t, r, first, second, `{"limit":"events_per_month","max":12,"percent":80,"period":"2000-02"}`)
	})
}

func TestATenantIsToldThatItsChannelsRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		r.Limit(t, map[string]int64{"channels": 5, "events_per_second": 0})
		for i := range 5 {
			if i < 4 {
				wantNotices(t, r)
			}
			p := intake.Publication{Channel: fmt.Sprint("c", i), Type: "t"}
			if _, err := r.Publisher.Publish(t.Context(), r.Tenant, p); err != nil {
				t.Fatal(err)
			}
		}
		wantNotices(t, r, `{"limit":"channels","max":5,"percent":80,"period":"2000-01"}`)
	})
}

// Each of three nodes sees its own connections and the slots that the others hold.
func TestATenantIsToldThatItsConnectionsRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		fl := rig.NewFleet(t, tenantstest.Faults{}, 3)
		for _, s := range fl.Sites {
			s.Admission.Notices = intake.NewNotices(r.Queue)
		}
		time.Sleep(15 * time.Second)
		ask, limits := quota.Request{Tenant: r.Tenant}, tenants.Limits{Connections: 100}
		for i := range 100 {
			if i == 40 {
				wantNotices(t, r)
			}
			if _, err := fl.Sites[i%3].Connect(ask, limits); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
		synctest.Wait()
		day := `{"limit":"connections","max":100,"percent":80,"period":"2000-01-01"}`
		wantNotices(t, r, day)
		time.Sleep(24 * time.Hour)
		fl.Sites[0].Leave(func(*rig.Seat) bool { return true })
		if _, err := fl.Sites[0].Connect(ask, limits); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantNotices(t, r, day, strings.Replace(day, "01-01", "01-02", 1))
		fl.Close()
	})
}

// Limits of one channel, of one subject and of connects per second: a notice for each, once a day for all channels or
// subjects.
func TestATenantIsToldWhichOfItsConnectionLimitsRunsOut(t *testing.T) {
	for limit, limits := range map[string]tenants.Limits{
		"connections_per_channel": {ConnectionsPerChannel: 10},
		"connections_per_subject": {ConnectionsPerSubject: 10},
		"connects_per_second":     {ConnectsPerSecond: 10},
	} {
		t.Run(limit, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rig.NewIntakeRig(t)
				admission := quota.New()
				admission.Notices = intake.NewNotices(r.Queue)
				connect := func(n int, names ...string) {
					t.Helper()
					for range n {
						for _, name := range names {
							ask := quota.Request{Tenant: r.Tenant, Channels: []string{"a", name}, Subject: name}
							if _, err := admission.Reserve(t.Context(), ask, limits); err != nil {
								t.Fatal(err)
							}
						}
					}
					synctest.Wait()
				}
				connect(7, "x")
				wantNotices(t, r)
				connect(1, "x")
				day := fmt.Sprintf(`{"limit":%q,"max":10,"percent":80,"period":"2000-01-01"}`, limit)
				wantNotices(t, r, day)
				connect(2, "x")
				time.Sleep(10 * time.Second) // their slots lapse
				connect(5, "y", "z")
				wantNotices(t, r, day)
			})
		})
	}
}

func TestATenantIsToldThatItSendsNearlyAsFastAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		r.Limit(t, map[string]int64{"events_per_second": 10})
		for i := range 60 { // five per second are within the limit
			if err := publish(r, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond)
		}
		wantNotices(t, r)
		time.Sleep(time.Second)
		for i := range 8 {
			if err := publish(r, fmt.Sprint("a", i)); err != nil {
				t.Fatal(err)
			}
		}
		wantNotices(t, r, `{"limit":"events_per_second","max":10,"percent":80,"period":"2000-01-01"}`)
	})
}

// A notice that could not be sent is sent at the next occasion.
func TestANoticeThatWasNotSentIsNotTold(t *testing.T) {
	r := rig.NewIntakeRig(t)
	queue := &broken{Queue: r.Queue, down: true}
	n := intake.NewNotices(queue)
	for range 2 {
		n.Scarce(t.Context(), r.Tenant, tenants.Limits{}, "connections", 10, "2000-01-01")
	}
	wantNotices(t, r)
	queue.down = false
	for range 3 {
		n.Scarce(t.Context(), r.Tenant, tenants.Limits{}, "connections", 10, "2000-01-01")
	}
	wantNotices(t, r, `{"limit":"connections","max":10,"percent":80,"period":"2000-01-01"}`)
}

// Only Hookcast publishes to its own channels: no publish and no source can.
func TestHookcastsChannelsAreItsOwnToPublishTo(t *testing.T) {
	r := rig.NewIntakeRig(t)
	ctx := context.Background()
	_, err := r.Publisher.Publish(ctx, r.Tenant, intake.Publication{Channel: tenants.NoticesChannel, Type: "t"})
	rig.WantError(t, err, tenants.Unprocessable, "reserved_channel")
	for _, spec := range []source.Spec{{Channel: "hookcast.x"}, {Channel: "a.{n}", Fallback: "hookcast.notices"}} {
		spec.Name, spec.Provider, spec.Secret = "s", "github", rig.IntakeSecret
		_, _, err := r.Sources.Create(ctx, r.Tenant, spec)
		rig.WantError(t, err, tenants.Unprocessable, "reserved_channel")
	}
	_, token := r.Source(t, source.Spec{Provider: "github", Channel: "{repository.name}.notices",
		Secret: rig.IntakeSecret})
	_, err = r.Receiver.Receive(ctx, rig.Github(t, token, "d-1", "push", `{"repository":{"name":"hookcast"}}`))
	rig.WantError(t, err, tenants.Unprocessable, "reserved_channel")
	if got := r.Queued(t); len(got) != 0 {
		t.Errorf("got %+v in the queue, want nothing", got)
	}
}
