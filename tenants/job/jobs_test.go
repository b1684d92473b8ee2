package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestJobTellsFromItsBeginningToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		j := rig.Ok(r.Jobs.Create(context.Background(), r.Tenant, job.Spec{Name: "Export"}))(t)
		if j.Channel != "jobs."+j.ID || j.State != job.Running || j.Timeout != job.DefaultTimeout {
			t.Fatalf("made %+v", j)
		}
		time.Sleep(time.Second)
		r.Report(t, j, job.Report{Percent: new(40.5), Step: new("pages"), Message: new("<b>page</b> 4")})
		time.Sleep(time.Second)
		r.Report(t, j, job.Report{Lines: []string{"one", "two\nthree\x1b[0m"}})
		time.Sleep(time.Second)
		r.Report(t, j, job.Report{Complete: true, Result: json.RawMessage(`{ "url": "https://example.com/<1>" }`)})
		all := r.Events(t, j)
		var types []string
		for _, e := range all {
			types = append(types, e.Type)
		}
		if !slices.Equal(types, []string{"job.progress", "job.progress", "job.log", "job.completed"}) {
			t.Fatalf("told %v", types)
		}
		if e := all[1]; e.Percent != 40.5 || e.Step != "pages" || e.Message != "<b>page</b> 4" {
			t.Errorf("progress %+v", e)
		}
		if e := all[2]; !slices.Equal(e.Lines, []string{"one", "two", "three\ufffd[0m"}) || e.Percent != 40.5 || e.State != "running" {
			t.Errorf("log %+v", e)
		}
		if e := all[3]; !e.End || e.State != "completed" || e.Percent != 100 || string(e.Result) != `{"url":"https://example.com/<1>"}` {
			t.Errorf("end %+v", e)
		}
		got := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, j.ID))(t)
		if got.State != job.Completed || string(got.Result) != `{"url":"https://example.com/<1>"}` || got.Ended.IsZero() {
			t.Errorf("the job is %+v", got)
		}
		time.Sleep(job.Kept + time.Second)
		_, err := r.Jobs.Get(context.Background(), r.Tenant, j.ID)
		rig.WantError(t, err, tenants.NotFound, "job_not_found")
	})
}

func TestJobThatHasEndedTakesNothingButItsEndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		ctx := context.Background()
		j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
		end := job.Report{Error: &job.Error{Message: "no disk"}}
		r.Report(t, j, end)
		r.Report(t, j, end)
		for _, report := range []job.Report{rig.Percent(50), {Complete: true}, {Lines: []string{"x"}}, {Error: &job.Error{Message: "other"}}, {}} {
			_, err := r.Jobs.Report(ctx, r.Tenant, j.ID, report)
			rig.WantError(t, err, tenants.Conflict, "job_ended")
		}
		if got := rig.Ok(r.Jobs.Cancel(ctx, r.Tenant, j.ID))(t); got.Error.Code != "failed" {
			t.Errorf("canceled, it failed of %+v", got.Error)
		}
		all := r.Events(t, j)
		if len(all) != 2 || all[1].Type != "job.failed" || all[1].Error.Message != "no disk" || !all[1].End {
			t.Errorf("told %+v", all)
		}
		other := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
		if got := rig.Ok(r.Jobs.Cancel(ctx, r.Tenant, other.ID))(t); got.State != job.Failed || got.Error.Code != "canceled" {
			t.Errorf("canceled, it is %+v", got)
		}
	})
}

// The attack: a worker, or somebody who has its URL, reports a thousand times a second; or it reports backwards.
func TestJobReportedInBurstsTellsAsMuchAsAnEyeCanSeeAndTheLast(t *testing.T) {
	for _, watched := range []bool{true, false} {
		t.Run(fmt.Sprintf("watched %v", watched), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rig.NewJobRig(t)
				r.Limit(t, map[string]int64{"events_per_second": 0})
				if watched {
					defer r.Watch(t)()
				}
				j := rig.Ok(r.Jobs.Create(context.Background(), r.Tenant, job.Spec{}))(t)
				began := time.Now()
				for n := range 1000 {
					p := float64(n%500) / 10 // and backwards again
					go r.Report(t, j, job.Report{Percent: &p, Message: new(fmt.Sprint(n))})
					time.Sleep(2 * time.Millisecond)
				}
				r.Report(t, j, job.Report{Message: new("last")})
				took := time.Since(began)
				time.Sleep(2 * time.Second)
				all := r.Events(t, j)
				if most := int(took/(250*time.Millisecond)) + 3; len(all) > most || len(all) < 4 {
					t.Errorf("%d events in %s", len(all), took)
				}
				for i := 1; i < len(all); i++ {
					if all[i].Percent < all[i-1].Percent || all[i].Revision <= all[i-1].Revision {
						t.Errorf("%+v comes behind %+v", all[i], all[i-1])
					}
				}
				if last := all[len(all)-1]; last.Message != "last" || last.Percent != 49.9 {
					t.Errorf("the last is %+v", last)
				}
			})
		})
	}
}

func TestJobNobodyReportsOnTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		defer r.Watch(t)()
		idle := rig.Ok(r.Jobs.Create(context.Background(), r.Tenant, job.Spec{Timeout: 30 * time.Second}))(t)
		busy := rig.Ok(r.Jobs.Create(context.Background(), r.Tenant, job.Spec{Timeout: 30 * time.Second}))(t)
		for n := range 5 {
			time.Sleep(25 * time.Second)
			r.Report(t, busy, rig.Percent(float64(n)))
			if n == 0 {
				if all := r.Events(t, idle); len(all) != 1 {
					t.Fatalf("before its time: %+v", all)
				}
			}
		}
		all := r.Events(t, idle)
		if len(all) != 2 || all[1].Type != "job.timed_out" || !all[1].End || all[1].Error.Code != "timed_out" || !strings.Contains(all[1].Error.Message, "30 seconds") {
			t.Errorf("told %+v", all)
		}
		got := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, idle.ID))(t)
		if late := got.Ended.Sub(idle.Created.Add(30 * time.Second)); got.State != job.TimedOut || late < 0 || late > 2*time.Second {
			t.Errorf("it is %s, %s late", got.State, late)
		}
		if got := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, busy.ID))(t); got.State != job.Running {
			t.Errorf("the busy one is %s", got.State)
		}
	})
}

func TestJobEndsAfterADayHoweverMuchIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		ctx := context.Background()
		j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{Timeout: 24 * time.Hour}))(t)
		time.Sleep(23*time.Hour + 59*time.Minute)
		r.Report(t, j, rig.Percent(1))
		time.Sleep(time.Minute)
		if _, err := r.Process().CheckDue(ctx); err != nil {
			t.Fatal(err)
		}
		if got := rig.Ok(r.Jobs.Get(ctx, r.Tenant, j.ID))(t); got.State != job.TimedOut || !strings.Contains(got.Error.Message, "24 hours") {
			t.Errorf("it is %+v", got)
		}
	})
}

// A process that dies between the change and its telling leaves an event behind, which another one tells.
func TestWhatADeadProcessLeftUntoldIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		ctx := context.Background()
		j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
		r.Queue.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Send" })
		_, err := r.Jobs.Report(ctx, r.Tenant, j.ID, job.Report{Complete: true, Result: json.RawMessage(`1`)})
		if tenants.KindOf(err) != tenants.Unavailable {
			t.Fatalf("with a queue that is away: %v", err)
		}
		if all := r.Events(t, j); len(all) != 1 {
			t.Fatalf("told %+v", all)
		}
		time.Sleep(time.Minute)
		if _, err := r.Process().CheckDue(ctx); err != nil {
			t.Fatal(err)
		}
		if all := r.Events(t, j); len(all) != 2 || all[1].Type != "job.completed" {
			t.Fatalf("told %+v", all)
		}
	})
}

// The attack on the order: a process is frozen with an event in its hands, and goes on when the job has long ended.
func TestFrozenTellerDoesNotReopenTheChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		ctx := context.Background()
		j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
		time.Sleep(time.Second)
		ice := r.Queue.Freeze(tenantstest.BeforeActing, func(c tenantstest.Call) bool { return c.Method == "Send" })
		frozen := make(chan error)
		go func() {
			_, err := r.Jobs.Report(ctx, r.Tenant, j.ID, rig.Percent(10))
			frozen <- err
		}()
		<-ice.Reached()
		time.Sleep(11 * time.Second)
		other := r.Process()
		if _, err := other.Report(ctx, r.Tenant, j.ID, rig.Percent(60)); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Report(ctx, r.Tenant, j.ID, job.Report{Complete: true}); err != nil {
			t.Fatal(err)
		}
		before := r.Events(t, j)
		ice.Thaw()
		if err := <-frozen; err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute) // the queue's own deduplication has forgotten it
		after := r.Events(t, j)
		if len(after) != len(before) || !after[len(after)-1].End {
			t.Errorf("before the thaw %+v, after it %+v", before, after)
		}
	})
}

func TestJobValuesThatCannotBeShownAreRefused(t *testing.T) {
	r := rig.NewJobRig(t)
	ctx := context.Background()
	j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
	long := strings.Repeat("x", 1001)
	for name, c := range map[string]struct {
		report job.Report
		code   string
	}{
		"a negative percent":   {rig.Percent(-1), "invalid_percent"},
		"more than a hundred":  {rig.Percent(100.1), "invalid_percent"},
		"no number":            {rig.Percent(math.NaN()), "invalid_percent"},
		"a long step":          {job.Report{Step: &long}, "invalid_text"},
		"a message with a bel": {job.Report{Message: new("a\a")}, "invalid_text"},
		"an error of nothing":  {job.Report{Error: &job.Error{Code: "x"}}, "invalid_text"},
		"a code with a space":  {job.Report{Error: &job.Error{Code: "a b", Message: "x"}}, "invalid_code"},
		"a result of no JSON":  {job.Report{Complete: true, Result: json.RawMessage(`{`)}, "invalid_result"},
		"a result too large":   {job.Report{Complete: true, Result: json.RawMessage(`"` + strings.Repeat("x", job.MaxResult) + `"`)}, "job_result_too_large"},
		"too many lines":       {job.Report{Lines: make([]string, job.MaxLines+1)}, "invalid_lines"},
		"too much of lines":    {job.Report{Lines: slices.Repeat([]string{long}, 40)}, "job_log_too_large"},
	} {
		if _, err := r.Jobs.Report(ctx, r.Tenant, j.ID, c.report); tenants.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	for name, spec := range map[string]job.Spec{
		"invalid_name": {Name: " x"}, "invalid_timeout": {Timeout: 25 * time.Hour}, "invalid_channel": {Channel: "A"}, "reserved_channel": {Channel: j.Channel},
	} {
		if _, err := r.Jobs.Create(ctx, r.Tenant, spec); tenants.CodeOf(err) != name {
			t.Errorf("%+v: %v", spec, err)
		}
	}
	_, err := r.Publisher.Publish(ctx, r.Tenant, intake.Publication{Channel: j.Channel, Type: "job.completed", Data: []byte("1")})
	rig.WantError(t, err, tenants.Unprocessable, "reserved_channel")
}

// The attack: lines that JSON writes six times as long fill the row.
func TestJobOfTheLargestValuesFitsItsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		r.Limit(t, map[string]int64{"event_bytes": tenants.MaxEventBytes})
		j := rig.Ok(r.Jobs.Create(context.Background(), r.Tenant, job.Spec{Name: strings.Repeat("ä", 100)}))(t)
		full := job.Report{Step: new(strings.Repeat(`"`, 1000)), Message: new(strings.Repeat("<", 1000)), Lines: slices.Repeat([]string{strings.Repeat("<", 1000)}, 31)}
		r.Report(t, j, full)
		_, err := r.Jobs.Report(context.Background(), r.Tenant, j.ID, full)
		if err != nil {
			rig.WantError(t, err, tenants.TooMany, "job_log_rate")
		}
		full.Complete, full.Lines = true, nil
		full.Result = json.RawMessage(`"` + strings.Repeat("<", job.MaxResult-2) + `"`)
		r.Report(t, j, full)
		all := r.Events(t, j)
		if last := all[len(all)-1]; last.Type != "job.completed" || len(last.Result) != job.MaxResult {
			t.Errorf("the last is %s", last.Type)
		}
	})
}

func TestJobsRunningAtOnceAreLimited(t *testing.T) {
	r := rig.NewJobRig(t)
	ctx := context.Background()
	r.Limit(t, map[string]int64{"jobs": 2})
	one := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
	rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
	_, err := r.Jobs.Create(ctx, r.Tenant, job.Spec{})
	rig.WantError(t, err, tenants.TooMany, "job_limit")
	r.Report(t, one, job.Report{Complete: true})
	rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
	if all, next, err := r.Jobs.List(ctx, r.Tenant, "", 100); err != nil || len(all) != 3 || next != "" {
		t.Errorf("%d jobs, %q, %v", len(all), next, err)
	}
}

func TestChannelHasOneJob(t *testing.T) {
	r := rig.NewJobRig(t)
	ctx := context.Background()
	j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{Channel: "orders.42"}))(t)
	_, err := r.Jobs.Create(ctx, r.Tenant, job.Spec{Channel: "orders.42"})
	rig.WantError(t, err, tenants.Conflict, "job_channel_taken")
	r.Report(t, j, job.Report{Complete: true})
	if all := r.Events(t, j); len(all) != 2 || !all[1].End {
		t.Errorf("told %+v", all)
	}
}

// The attacks: a token made up, one of another job, one of another deployment.
func TestReportTokenOpensItsJobAlone(t *testing.T) {
	r, stranger := rig.NewJobRig(t), rig.NewJobRig(t)
	ctx := context.Background()
	j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
	token := r.Jobs.Token(j)
	tenant, id, err := r.Jobs.OpenToken(token)
	if err != nil || tenant != r.Tenant || id != j.ID {
		t.Fatalf("%s %s %v", tenant, id, err)
	}
	other := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
	for name, bad := range map[string]string{
		"nothing": "", "no prefix": token[4:], "cut": token[:len(token)-1], "longer": token + "0", "another job": strings.Replace(token, j.ID[4:], other.ID[4:], 1),
		"another tenant": strings.Replace(token, string(r.Tenant)[4:], string(stranger.Tenant)[4:], 1), "another deployment": stranger.Jobs.Token(j),
		"the id": j.ID, "upper case": strings.ToUpper(token),
	} {
		if _, _, err := r.Jobs.OpenToken(bad); tenants.CodeOf(err) != "job_not_found" {
			t.Errorf("%s opens: %v", name, err)
		}
	}
}

// Of a job's own channel nothing stays: not even the row that says where its sequence was.
func TestNothingIsLeftOfAJobThatEndedLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		ctx := context.Background()
		j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
		r.Report(t, j, job.Report{Complete: true})
		r.Events(t, j)
		time.Sleep(time.Minute)
		if _, err := r.Jobs.CheckDue(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Log.Channel(ctx, r.Tenant, j.Channel); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * 24 * time.Hour)
		if _, err := r.Process().CheckDue(ctx); err != nil {
			t.Fatal(err)
		}
		r.Table.Sweep()
		for _, owner := range []tenants.TenantID{r.Tenant, tenants.System} {
			for _, k := range r.Table.Left(owner) {
				if strings.Contains(k.Sort, j.ID) || strings.Contains(string(k.Kind), j.ID) {
					t.Errorf("there is still %s %s", k.Kind, k.Sort)
				}
			}
		}
		if n, err := r.Jobs.CheckDue(ctx); n != 0 || err != nil {
			t.Errorf("%d are still due: %v", n, errors.Join(err))
		}
	})
}
