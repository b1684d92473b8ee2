package job_test

import (
	"context"
	"encoding/json"
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
			t.Fatalf("Create returned %+v, want a running job in its own channel with the default timeout", j)
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
		if want := []string{"job.progress", "job.progress", "job.log", "job.completed"}; !slices.Equal(types, want) {
			t.Fatalf("got events %v, want %v", types, want)
		}
		if e := all[1]; e.Percent != 40.5 || e.Step != "pages" || e.Message != "<b>page</b> 4" {
			t.Errorf("the progress event is %+v, want 40.5 percent of the step pages with its message", e)
		}
		lines := []string{"one", "two", "three\ufffd[0m"}
		if e := all[2]; !slices.Equal(e.Lines, lines) || e.Percent != 40.5 || e.State != "running" {
			t.Errorf("the log event is %+v, want the lines %q of a running job at 40.5 percent", e, lines)
		}
		const result = `{"url":"https://example.com/<1>"}`
		if e := all[3]; !e.End || e.State != "completed" || e.Percent != 100 || string(e.Result) != result {
			t.Errorf("the last event is %+v, want the end of a completed job with %s", e, result)
		}
		got := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, j.ID))(t)
		if got.State != job.Completed || string(got.Result) != result || got.Ended.IsZero() {
			t.Errorf("Get returned %+v, want a completed job with %s", got, result)
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
		for _, report := range []job.Report{
			rig.Percent(50), {Complete: true}, {Lines: []string{"x"}}, {Error: &job.Error{Message: "other"}}, {},
		} {
			_, err := r.Jobs.Report(ctx, r.Tenant, j.ID, report)
			rig.WantError(t, err, tenants.Conflict, "job_ended")
		}
		if got := rig.Ok(r.Jobs.Cancel(ctx, r.Tenant, j.ID))(t); got.Error.Code != "failed" {
			t.Errorf("after Cancel of a failed job its error is %+v, want it unchanged", got.Error)
		}
		all := r.Events(t, j)
		if len(all) != 2 || all[1].Type != "job.failed" || all[1].Error.Message != "no disk" || !all[1].End {
			t.Errorf("got events %+v, want 2, the last of them job.failed", all)
		}
		other := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
		got := rig.Ok(r.Jobs.Cancel(ctx, r.Tenant, other.ID))(t)
		if got.State != job.Failed || got.Error.Code != "canceled" {
			t.Errorf("Cancel returned %+v, want a failed job with the code canceled", got)
		}
	})
}

// The attack: a worker, or somebody who has its URL, reports hundreds of times a second, or reports backwards.
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
					p := float64(n%500) / 10 // and back to 0
					go r.Report(t, j, job.Report{Percent: &p, Message: new(fmt.Sprint(n))})
					time.Sleep(2 * time.Millisecond)
				}
				r.Report(t, j, job.Report{Message: new("last")})
				took := time.Since(began)
				time.Sleep(2 * time.Second)
				all := r.Events(t, j)
				if most := int(took/(250*time.Millisecond)) + 3; len(all) > most || len(all) < 4 {
					t.Errorf("got %d events in %s, want 4 to %d", len(all), took, most)
				}
				for i := 1; i < len(all); i++ {
					if all[i].Percent < all[i-1].Percent || all[i].Revision <= all[i-1].Revision {
						t.Errorf("got event %+v after %+v, want ascending revisions and percentages", all[i], all[i-1])
					}
				}
				if last := all[len(all)-1]; last.Message != "last" || last.Percent != 49.9 {
					t.Errorf("the last event is %+v, want the last message at 49.9 percent", last)
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
					t.Fatalf("before the timeout there are the events %+v, want 1", all)
				}
			}
		}
		all := r.Events(t, idle)
		if len(all) != 2 || all[1].Type != "job.timed_out" || !all[1].End {
			t.Fatalf("got events %+v, want 2, the last of them job.timed_out", all)
		}
		if e := all[1].Error; e.Code != "timed_out" || !strings.Contains(e.Message, "30 seconds") {
			t.Errorf("the error is %+v, want timed_out after 30 seconds", e)
		}
		got := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, idle.ID))(t)
		late := got.Ended.Sub(idle.Created.Add(30 * time.Second))
		if got.State != job.TimedOut || late < 0 || late > 2*time.Second {
			t.Errorf("the job is %s, %s after its timeout, want timed_out within 2s", got.State, late)
		}
		if got := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, busy.ID))(t); got.State != job.Running {
			t.Errorf("the job with reports is %s, want running", got.State)
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
		got := rig.Ok(r.Jobs.Get(ctx, r.Tenant, j.ID))(t)
		if got.State != job.TimedOut || !strings.Contains(got.Error.Message, "24 hours") {
			t.Errorf("the job is %+v, want it timed out after 24 hours", got)
		}
	})
}

// A process that dies between a change and its event leaves the event to another process.
func TestWhatADeadProcessLeftUntoldIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		ctx := context.Background()
		j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
		r.Queue.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Send" })
		_, err := r.Jobs.Report(ctx, r.Tenant, j.ID, job.Report{Complete: true, Result: json.RawMessage(`1`)})
		if tenants.KindOf(err) != tenants.Unavailable {
			t.Fatalf("Report without the queue returned %v, want an error of kind Unavailable", err)
		}
		if all := r.Events(t, j); len(all) != 1 {
			t.Fatalf("got events %+v, want 1 while the queue fails", all)
		}
		time.Sleep(time.Minute)
		if _, err := r.Process().CheckDue(ctx); err != nil {
			t.Fatal(err)
		}
		if all := r.Events(t, j); len(all) != 2 || all[1].Type != "job.completed" {
			t.Fatalf("got events %+v, want 2, the last of them job.completed", all)
		}
	})
}

// The attack on the order: a process is frozen before it sends an event, and sends it long after the job has ended.
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
		time.Sleep(6 * time.Minute) // the queue has forgotten the deduplication id
		after := r.Events(t, j)
		if len(after) != len(before) || !after[len(after)-1].End {
			t.Errorf("got events %+v, want %+v as before the late send", after, before)
		}
	})
}

func TestJobValuesThatCannotBeShownAreRefused(t *testing.T) {
	r := rig.NewJobRig(t)
	ctx := context.Background()
	j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
	long := strings.Repeat("x", 1001)
	large := json.RawMessage(`"` + strings.Repeat("x", job.MaxResult) + `"`)
	for name, c := range map[string]struct {
		report job.Report
		code   string
	}{
		"a negative percent":   {rig.Percent(-1), "invalid_percent"},
		"more than a hundred":  {rig.Percent(100.1), "invalid_percent"},
		"not a number":         {rig.Percent(math.NaN()), "invalid_percent"},
		"a long step":          {job.Report{Step: &long}, "invalid_text"},
		"a message with a bel": {job.Report{Message: new("a\a")}, "invalid_text"},
		"an empty message":     {job.Report{Error: &job.Error{Code: "x"}}, "invalid_text"},
		"a code with a space":  {job.Report{Error: &job.Error{Code: "a b", Message: "x"}}, "invalid_code"},
		"an invalid result":    {job.Report{Complete: true, Result: json.RawMessage(`{`)}, "invalid_result"},
		"a large result":       {job.Report{Complete: true, Result: large}, "job_result_too_large"},
		"too many lines":       {job.Report{Lines: make([]string, job.MaxLines+1)}, "invalid_lines"},
		"too long lines":       {job.Report{Lines: slices.Repeat([]string{long}, 40)}, "job_log_too_large"},
	} {
		if _, err := r.Jobs.Report(ctx, r.Tenant, j.ID, c.report); tenants.CodeOf(err) != c.code {
			t.Errorf("%s: Report returned %v, want %s", name, err, c.code)
		}
	}
	for code, spec := range map[string]job.Spec{
		"invalid_name": {Name: " x"}, "invalid_timeout": {Timeout: 25 * time.Hour},
		"invalid_channel": {Channel: "A"}, "reserved_channel": {Channel: j.Channel},
	} {
		if _, err := r.Jobs.Create(ctx, r.Tenant, spec); tenants.CodeOf(err) != code {
			t.Errorf("Create of %+v returned %v, want %s", spec, err, code)
		}
	}
	forged := intake.Publication{Channel: j.Channel, Type: "job.completed", Data: []byte("1")}
	_, err := r.Publisher.Publish(ctx, r.Tenant, forged)
	rig.WantError(t, err, tenants.Unprocessable, "reserved_channel")
}

// The attack: characters that JSON may write six times as long fill the row.
func TestJobOfTheLargestValuesFitsItsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		r.Limit(t, map[string]int64{"event_bytes": tenants.MaxEventBytes})
		j := rig.Ok(r.Jobs.Create(context.Background(), r.Tenant, job.Spec{Name: strings.Repeat("ä", 100)}))(t)
		full := job.Report{
			Step: new(strings.Repeat(`"`, 1000)), Message: new(strings.Repeat("<", 1000)),
			Lines: slices.Repeat([]string{strings.Repeat("<", 1000)}, 31),
		}
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
			t.Errorf("the last event is a %s with a result of %d bytes, want job.completed with %d", last.Type,
				len(last.Result), job.MaxResult)
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
		t.Errorf("List returned %d jobs, next %q, %v, want 3 and no next", len(all), next, err)
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
		t.Errorf("got events %+v, want 2, the last of them an end", all)
	}
}

// The attacks: a forged token, and tokens of another job, tenant and deployment.
func TestReportTokenOpensItsJobAlone(t *testing.T) {
	r, stranger := rig.NewJobRig(t), rig.NewJobRig(t)
	ctx := context.Background()
	j := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
	token := r.Jobs.Token(j)
	tenant, id, err := r.Jobs.OpenToken(token)
	if err != nil || tenant != r.Tenant || id != j.ID {
		t.Fatalf("OpenToken returned %s, %s, %v, want %s, %s", tenant, id, err, r.Tenant, j.ID)
	}
	other := rig.Ok(r.Jobs.Create(ctx, r.Tenant, job.Spec{}))(t)
	for name, bad := range map[string]string{
		"nothing": "", "no prefix": token[4:], "cut": token[:len(token)-1], "longer": token + "0",
		"another job":        strings.Replace(token, j.ID[4:], other.ID[4:], 1),
		"another tenant":     strings.Replace(token, string(r.Tenant)[4:], string(stranger.Tenant)[4:], 1),
		"another deployment": stranger.Jobs.Token(j), "the id": j.ID, "upper case": strings.ToUpper(token),
	} {
		if _, _, err := r.Jobs.OpenToken(bad); tenants.CodeOf(err) != "job_not_found" {
			t.Errorf("%s: OpenToken returned %v, want job_not_found", name, err)
		}
	}
}

// No row of a job's own channel stays, not even the one with its last number.
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
					t.Errorf("the row %s %s is left, want none", k.Kind, k.Sort)
				}
			}
		}
		if n, err := r.Jobs.CheckDue(ctx); n != 0 || err != nil {
			t.Errorf("CheckDue returned %d, %v, want 0", n, err)
		}
	})
}
