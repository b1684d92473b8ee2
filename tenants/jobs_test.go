package tenants_test

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
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

func TestJobTellsFromItsBeginningToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newJobRig(t)
		job := ok(r.jobs.Create(context.Background(), r.tenant, tenants.JobSpec{Name: "Export"}))(t)
		if job.Channel != "jobs."+job.ID || job.State != tenants.JobRunning || job.Timeout != tenants.DefaultJobTimeout {
			t.Fatalf("made %+v", job)
		}
		time.Sleep(time.Second)
		r.report(t, job, tenants.JobReport{Percent: new(40.5), Step: new("pages"), Message: new("<b>page</b> 4")})
		time.Sleep(time.Second)
		r.report(t, job, tenants.JobReport{Lines: []string{"one", "two\nthree\x1b[0m"}})
		time.Sleep(time.Second)
		r.report(t, job, tenants.JobReport{Complete: true, Result: json.RawMessage(`{ "url": "https://example.com/<1>" }`)})
		all := r.events(t, job)
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
		got := ok(r.jobs.Get(context.Background(), r.tenant, job.ID))(t)
		if got.State != tenants.JobCompleted || string(got.Result) != `{"url":"https://example.com/<1>"}` || got.Ended.IsZero() {
			t.Errorf("the job is %+v", got)
		}
		time.Sleep(tenants.JobKeep + time.Second)
		_, err := r.jobs.Get(context.Background(), r.tenant, job.ID)
		wantError(t, err, tenants.NotFound, "job_not_found")
	})
}

func TestJobThatHasEndedTakesNothingButItsEndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newJobRig(t)
		ctx := context.Background()
		job := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
		end := tenants.JobReport{Error: &tenants.JobError{Message: "no disk"}}
		r.report(t, job, end)
		r.report(t, job, end)
		for _, report := range []tenants.JobReport{percent(50), {Complete: true}, {Lines: []string{"x"}}, {Error: &tenants.JobError{Message: "other"}}, {}} {
			_, err := r.jobs.Report(ctx, r.tenant, job.ID, report)
			wantError(t, err, tenants.Conflict, "job_ended")
		}
		if got := ok(r.jobs.Cancel(ctx, r.tenant, job.ID))(t); got.Error.Code != "failed" {
			t.Errorf("canceled, it failed of %+v", got.Error)
		}
		all := r.events(t, job)
		if len(all) != 2 || all[1].Type != "job.failed" || all[1].Error.Message != "no disk" || !all[1].End {
			t.Errorf("told %+v", all)
		}
		other := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
		if got := ok(r.jobs.Cancel(ctx, r.tenant, other.ID))(t); got.State != tenants.JobFailed || got.Error.Code != "canceled" {
			t.Errorf("canceled, it is %+v", got)
		}
	})
}

// The attack: a worker, or somebody who has its URL, reports a thousand times a second; or it reports backwards.
func TestJobReportedInBurstsTellsAsMuchAsAnEyeCanSeeAndTheLast(t *testing.T) {
	for _, watched := range []bool{true, false} {
		t.Run(fmt.Sprintf("watched %v", watched), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newJobRig(t)
				r.limit(t, map[string]int64{"events_per_second": 0})
				if watched {
					defer r.watch(t)()
				}
				job := ok(r.jobs.Create(context.Background(), r.tenant, tenants.JobSpec{}))(t)
				began := time.Now()
				for n := range 1000 {
					p := float64(n%500) / 10 // and backwards again
					go r.report(t, job, tenants.JobReport{Percent: &p, Message: new(fmt.Sprint(n))})
					time.Sleep(2 * time.Millisecond)
				}
				r.report(t, job, tenants.JobReport{Message: new("last")})
				took := time.Since(began)
				time.Sleep(2 * time.Second)
				all := r.events(t, job)
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
		r := newJobRig(t)
		defer r.watch(t)()
		idle := ok(r.jobs.Create(context.Background(), r.tenant, tenants.JobSpec{Timeout: 30 * time.Second}))(t)
		busy := ok(r.jobs.Create(context.Background(), r.tenant, tenants.JobSpec{Timeout: 30 * time.Second}))(t)
		for n := range 5 {
			time.Sleep(25 * time.Second)
			r.report(t, busy, percent(float64(n)))
			if n == 0 {
				if all := r.events(t, idle); len(all) != 1 {
					t.Fatalf("before its time: %+v", all)
				}
			}
		}
		all := r.events(t, idle)
		if len(all) != 2 || all[1].Type != "job.timed_out" || !all[1].End || all[1].Error.Code != "timed_out" || !strings.Contains(all[1].Error.Message, "30 seconds") {
			t.Errorf("told %+v", all)
		}
		got := ok(r.jobs.Get(context.Background(), r.tenant, idle.ID))(t)
		if late := got.Ended.Sub(idle.Created.Add(30 * time.Second)); got.State != tenants.JobTimedOut || late < 0 || late > 2*time.Second {
			t.Errorf("it is %s, %s late", got.State, late)
		}
		if got := ok(r.jobs.Get(context.Background(), r.tenant, busy.ID))(t); got.State != tenants.JobRunning {
			t.Errorf("the busy one is %s", got.State)
		}
	})
}

func TestJobEndsAfterADayHoweverMuchIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newJobRig(t)
		ctx := context.Background()
		job := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{Timeout: 24 * time.Hour}))(t)
		time.Sleep(23*time.Hour + 59*time.Minute)
		r.report(t, job, percent(1))
		time.Sleep(time.Minute)
		if _, err := r.process().Look(ctx); err != nil {
			t.Fatal(err)
		}
		if got := ok(r.jobs.Get(ctx, r.tenant, job.ID))(t); got.State != tenants.JobTimedOut || !strings.Contains(got.Error.Message, "24 hours") {
			t.Errorf("it is %+v", got)
		}
	})
}

// A process that dies between the change and its telling leaves an event behind, which another one tells.
func TestWhatADeadProcessLeftUntoldIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newJobRig(t)
		ctx := context.Background()
		job := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
		r.queue.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Send" })
		_, err := r.jobs.Report(ctx, r.tenant, job.ID, tenants.JobReport{Complete: true, Result: json.RawMessage(`1`)})
		if tenants.KindOf(err) != tenants.Unavailable {
			t.Fatalf("with a queue that is away: %v", err)
		}
		if all := r.events(t, job); len(all) != 1 {
			t.Fatalf("told %+v", all)
		}
		time.Sleep(time.Minute)
		if _, err := r.process().Look(ctx); err != nil {
			t.Fatal(err)
		}
		if all := r.events(t, job); len(all) != 2 || all[1].Type != "job.completed" {
			t.Fatalf("told %+v", all)
		}
	})
}

// The attack on the order: a process is frozen with an event in its hands, and goes on when the job has long ended.
func TestFrozenTellerDoesNotReopenTheChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newJobRig(t)
		ctx := context.Background()
		job := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
		time.Sleep(time.Second)
		ice := r.queue.Freeze(tenantstest.BeforeActing, func(c tenantstest.Call) bool { return c.Method == "Send" })
		frozen := make(chan error)
		go func() {
			_, err := r.jobs.Report(ctx, r.tenant, job.ID, percent(10))
			frozen <- err
		}()
		<-ice.Reached()
		time.Sleep(11 * time.Second)
		other := r.process()
		if _, err := other.Report(ctx, r.tenant, job.ID, percent(60)); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Report(ctx, r.tenant, job.ID, tenants.JobReport{Complete: true}); err != nil {
			t.Fatal(err)
		}
		before := r.events(t, job)
		ice.Thaw()
		if err := <-frozen; err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute) // the queue's own deduplication has forgotten it
		after := r.events(t, job)
		if len(after) != len(before) || !after[len(after)-1].End {
			t.Errorf("before the thaw %+v, after it %+v", before, after)
		}
	})
}

func TestJobValuesThatCannotBeShownAreRefused(t *testing.T) {
	r := newJobRig(t)
	ctx := context.Background()
	job := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
	long := strings.Repeat("x", 1001)
	for name, c := range map[string]struct {
		report tenants.JobReport
		code   string
	}{
		"a negative percent":   {percent(-1), "invalid_percent"},
		"more than a hundred":  {percent(100.1), "invalid_percent"},
		"no number":            {percent(math.NaN()), "invalid_percent"},
		"a long step":          {tenants.JobReport{Step: &long}, "invalid_text"},
		"a message with a bel": {tenants.JobReport{Message: new("a\a")}, "invalid_text"},
		"an error of nothing":  {tenants.JobReport{Error: &tenants.JobError{Code: "x"}}, "invalid_text"},
		"a code with a space":  {tenants.JobReport{Error: &tenants.JobError{Code: "a b", Message: "x"}}, "invalid_code"},
		"a result of no JSON":  {tenants.JobReport{Complete: true, Result: json.RawMessage(`{`)}, "invalid_result"},
		"a result too large":   {tenants.JobReport{Complete: true, Result: json.RawMessage(`"` + strings.Repeat("x", tenants.MaxJobResult) + `"`)}, "job_result_too_large"},
		"too many lines":       {tenants.JobReport{Lines: make([]string, tenants.MaxJobLines+1)}, "invalid_lines"},
		"too much of lines":    {tenants.JobReport{Lines: slices.Repeat([]string{long}, 40)}, "job_log_too_large"},
	} {
		if _, err := r.jobs.Report(ctx, r.tenant, job.ID, c.report); tenants.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	for name, spec := range map[string]tenants.JobSpec{
		"invalid_name": {Name: " x"}, "invalid_timeout": {Timeout: 25 * time.Hour}, "invalid_channel": {Channel: "A"}, "reserved_channel": {Channel: job.Channel},
	} {
		if _, err := r.jobs.Create(ctx, r.tenant, spec); tenants.CodeOf(err) != name {
			t.Errorf("%+v: %v", spec, err)
		}
	}
	_, err := r.publisher.Publish(ctx, r.tenant, tenants.Publication{Channel: job.Channel, Type: "job.completed", Data: []byte("1")})
	wantError(t, err, tenants.Unprocessable, "reserved_channel")
}

// The attack: lines that JSON writes six times as long fill the row.
func TestJobOfTheLargestValuesFitsItsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newJobRig(t)
		r.limit(t, map[string]int64{"event_bytes": tenants.MaxEventBytes})
		job := ok(r.jobs.Create(context.Background(), r.tenant, tenants.JobSpec{Name: strings.Repeat("ä", 100)}))(t)
		full := tenants.JobReport{Step: new(strings.Repeat(`"`, 1000)), Message: new(strings.Repeat("<", 1000)), Lines: slices.Repeat([]string{strings.Repeat("<", 1000)}, 31)}
		r.report(t, job, full)
		_, err := r.jobs.Report(context.Background(), r.tenant, job.ID, full)
		if err != nil {
			wantError(t, err, tenants.TooMany, "job_log_rate")
		}
		full.Complete, full.Lines = true, nil
		full.Result = json.RawMessage(`"` + strings.Repeat("<", tenants.MaxJobResult-2) + `"`)
		r.report(t, job, full)
		all := r.events(t, job)
		if last := all[len(all)-1]; last.Type != "job.completed" || len(last.Result) != tenants.MaxJobResult {
			t.Errorf("the last is %s", last.Type)
		}
	})
}

func TestJobsRunningAtOnceAreLimited(t *testing.T) {
	r := newJobRig(t)
	ctx := context.Background()
	r.limit(t, map[string]int64{"jobs": 2})
	one := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
	ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
	_, err := r.jobs.Create(ctx, r.tenant, tenants.JobSpec{})
	wantError(t, err, tenants.TooMany, "job_limit")
	r.report(t, one, tenants.JobReport{Complete: true})
	ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
	if all, next, err := r.jobs.List(ctx, r.tenant, "", 100); err != nil || len(all) != 3 || next != "" {
		t.Errorf("%d jobs, %q, %v", len(all), next, err)
	}
}

func TestChannelHasOneJob(t *testing.T) {
	r := newJobRig(t)
	ctx := context.Background()
	job := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{Channel: "orders.42"}))(t)
	_, err := r.jobs.Create(ctx, r.tenant, tenants.JobSpec{Channel: "orders.42"})
	wantError(t, err, tenants.Conflict, "job_channel_taken")
	r.report(t, job, tenants.JobReport{Complete: true})
	if all := r.events(t, job); len(all) != 2 || !all[1].End {
		t.Errorf("told %+v", all)
	}
}

// The attacks: a token made up, one of another job, one of another deployment.
func TestReportTokenOpensItsJobAlone(t *testing.T) {
	r, stranger := newJobRig(t), newJobRig(t)
	ctx := context.Background()
	job := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
	token := r.jobs.JobToken(job)
	tenant, id, err := r.jobs.OpenToken(token)
	if err != nil || tenant != r.tenant || id != job.ID {
		t.Fatalf("%s %s %v", tenant, id, err)
	}
	other := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
	for name, bad := range map[string]string{
		"nothing": "", "no prefix": token[4:], "cut": token[:len(token)-1], "longer": token + "0", "another job": strings.Replace(token, job.ID[4:], other.ID[4:], 1),
		"another tenant": strings.Replace(token, string(r.tenant)[4:], string(stranger.tenant)[4:], 1), "another deployment": stranger.jobs.JobToken(job),
		"the id": job.ID, "upper case": strings.ToUpper(token),
	} {
		if _, _, err := r.jobs.OpenToken(bad); tenants.CodeOf(err) != "job_not_found" {
			t.Errorf("%s opens: %v", name, err)
		}
	}
}

// Of a job's own channel nothing stays: not even the row that says where its sequence was.
func TestNothingIsLeftOfAJobThatEndedLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newJobRig(t)
		ctx := context.Background()
		job := ok(r.jobs.Create(ctx, r.tenant, tenants.JobSpec{}))(t)
		r.report(t, job, tenants.JobReport{Complete: true})
		r.events(t, job)
		time.Sleep(time.Minute)
		if _, err := r.jobs.Look(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := r.log.Channel(ctx, r.tenant, job.Channel); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * 24 * time.Hour)
		if _, err := r.process().Look(ctx); err != nil {
			t.Fatal(err)
		}
		r.table.Sweep()
		for _, owner := range []tenants.TenantID{r.tenant, tenants.System} {
			for _, k := range r.table.Left(owner) {
				if strings.Contains(k.Sort, job.ID) || strings.Contains(string(k.Kind), job.ID) {
					t.Errorf("there is still %s %s", k.Kind, k.Sort)
				}
			}
		}
		if n, err := r.jobs.Look(ctx); n != 0 || err != nil {
			t.Errorf("%d are still due: %v", n, errors.Join(err))
		}
	})
}
