package rig

import (
	"fmt"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/source"
)

// WaysIn are all the ways by which an event comes into a channel of the rig's tenant. Each puts at least one into the queue.
func (r *IntakeRig) WaysIn(t *testing.T) map[string]func() error {
	ctx := t.Context()
	in := intake.NewIntake(r.Accounts, r.Log, r.Queue)
	jobs, feed, notices := job.NewJobs(r.Office.Table, in, r.Deploy), proxy.NewFeed(in, r.Log), intake.NewNotices(r.Queue)
	_, token := r.Source(t, source.Spec{Provider: "github", Secret: IntakeSecret, Channel: "hooks"})
	upstream := func() tenants.Event {
		return tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Tenant: r.Tenant, Channel: "prices", Type: "tick", Data: []byte("1"), Time: time.Now().UTC()}
	}
	builds := 0
	job := func(own bool) func() error {
		return func() error {
			channel := "" // one of its own
			if !own {
				builds++
				channel = fmt.Sprint("builds.", builds)
			}
			j, err := jobs.Create(ctx, r.Tenant, job.Spec{Timeout: time.Minute, Channel: channel})
			if err == nil {
				_, err = jobs.Report(ctx, r.Tenant, j.ID, job.Report{Complete: true})
			}
			return err
		}
	}
	return map[string]func() error{
		"publish": func() error {
			_, err := r.Publisher.Publish(ctx, r.Tenant, intake.Publication{Channel: "orders", Type: "t", Data: []byte("1")})
			return err
		},
		"webhook": func() error {
			_, err := r.Receiver.Receive(ctx, Github(t, token, tenants.NewID(tenants.PrefixEvent), "push", `{"n":1}`))
			return err
		},
		"replay": func() error {
			_, err := r.Publisher.Replay(ctx, upstream(), "copies")
			return err
		},
		"upstream":                  func() error { return feed.Forward(ctx, upstream(), upstream()) },
		"said of an upstream":       func() error { return feed.Say(ctx, upstream()) },
		"job in its own channel":    job(true),
		"job in a tenant's channel": job(false),
		"notice": func() error {
			limits, err := r.Accounts.Limits(ctx, r.Tenant)
			notices.Scarce(ctx, r.Tenant, limits, "channels", 5, tenants.NewID(tenants.PrefixEvent))
			return err
		},
	}
}
