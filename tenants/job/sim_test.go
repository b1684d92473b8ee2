package job_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// jobSim simulates two jobs with three workers each over a faulty table and queue, while two processes run Watch. found
// collects what went wrong.
type jobSim struct {
	seed uint64
	raw  *tenantstest.Table

	mu     sync.Mutex
	faults []string
}

func (s *jobSim) found(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// answered holds the reports on a job that were answered with success.
type answered struct {
	mu      sync.Mutex
	percent float64
	lines   []string
	ends    []job.State
}

// work reports on a job and then ends it. It repeats the end until that is answered; other reports may fail.
func (s *jobSim) work(j *job.Jobs, one job.Job, name string, rng *rand.Rand, a *answered) {
	ctx := context.Background()
	pause := func(ms int) { time.Sleep(time.Duration(rng.IntN(ms)) * time.Millisecond) }
	for n := range 3 + rng.IntN(8) {
		pause(400)
		report := rig.Percent(float64(rng.IntN(101)))
		if rng.IntN(3) == 0 {
			report.Lines = []string{fmt.Sprintf("%s %d", name, n)}
		}
		if _, err := j.Report(ctx, one.Tenant, one.ID, report); err == nil {
			a.mu.Lock()
			a.percent = max(a.percent, *report.Percent)
			a.lines = append(a.lines, report.Lines...)
			a.mu.Unlock()
		} else if kind := tenants.KindOf(err); kind != tenants.Unavailable && kind != tenants.Conflict {
			s.found("%s: a report was refused: %v", name, err)
		}
	}
	pause(2000)
	end := job.Report{Complete: true, Result: json.RawMessage(`"` + name + `"`)}
	state := job.Completed
	if rng.IntN(2) == 0 {
		end, state = job.Report{Error: &job.Error{Message: name}}, job.Failed
	}
	var err error
	for range 1000 {
		if _, err = j.Report(ctx, one.Tenant, one.ID, end); err == nil || tenants.KindOf(err) != tenants.Unavailable {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err == nil {
		a.mu.Lock()
		a.ends = append(a.ends, state)
		a.mu.Unlock()
	} else if tenants.CodeOf(err) != "job_ended" {
		s.found("%s: the end was refused: %v", name, err)
	}
}

func (s *jobSim) run(t *testing.T, spoil func(tenants.Table) tenants.Table) []string {
	s.raw = tenantstest.NewTable(tenantstest.Faults{Seed: s.seed})
	office := rig.OfficeOver(t, s.raw)
	ten, _, _ := office.SignUp(t)
	queue := tenantstest.NewQueue(tenantstest.QueueOptions{Faults: tenantstest.Faults{Seed: s.seed}})
	table := spoil(s.raw)
	process := func() *job.Jobs {
		accounts := account.NewAccounts(table, office.News)
		return job.NewJobs(table, intake.NewIntake(accounts, eventlog.New(table), queue), office.Deploy)
	}
	maker := process()
	var jobs [2]job.Job
	for i := range jobs {
		jobs[i] = rig.Ok(maker.Create(context.Background(), ten.ID,
			job.Spec{Timeout: time.Duration(2+s.seed%20) * time.Second}))(t)
	}

	f := rig.BadDays(s.seed)
	f.Lapsed, f.Twice = 0.1, 0.1
	s.raw.Turn(f)
	queue.Turn(f)
	ctx, cancel := context.WithCancel(context.Background())
	var running, working sync.WaitGroup
	for range 2 {
		a := intake.NewAppender(eventlog.New(table), node.NewInterest(table), &rig.Inboxes{}, queue)
		running.Go(func() { a.Run(ctx, 2) })
		watcher := process()
		running.Go(func() { watcher.Watch(ctx, nil) })
	}
	var taken [2]answered
	for i, job := range jobs {
		for w := range 3 {
			name := fmt.Sprintf("worker %d of %d", w, i)
			rng := rand.New(rand.NewPCG(s.seed, uint64(10*i+w)))
			j := process()
			working.Go(func() { s.work(j, job, name, rng, &taken[i]) })
		}
	}
	working.Wait()
	time.Sleep(5 * time.Minute) // longer than any call is frozen
	s.raw.Turn(tenantstest.Faults{})
	queue.Turn(tenantstest.Faults{})
	time.Sleep(time.Minute) // longer than an event waits once the faults have ended
	for queue.Len() > 0 {
		time.Sleep(time.Second)
	}
	cancel()
	running.Wait()
	for i := range jobs {
		s.check(t, jobs[i], &taken[i])
	}
	return s.faults
}

// check compares a job's channel with the answers.
func (s *jobSim) check(t *testing.T, j job.Job, a *answered) {
	all := rig.ShownIn(t, eventlog.New(s.raw), j)
	var before rig.Shown
	var lines []string
	for i, e := range all {
		if e.Percent < before.Percent || e.Revision < before.Revision {
			s.found("%s: got event %+v after %+v", j.ID, e, before)
		}
		if e.End != (i == len(all)-1) {
			s.found("%s: event %d of %d has End %v", j.ID, i+1, len(all), e.End)
		}
		lines, before = append(lines, e.Lines...), e
	}
	if before.State == string(job.Running) {
		s.found("%s: the channel has no end", j.ID)
	}
	if before.Percent < a.percent {
		s.found("%s: the last event has %v percent, but %v was answered", j.ID, before.Percent, a.percent)
	}
	for _, line := range a.lines {
		if !slices.Contains(lines, line) {
			s.found("%s: the line %q was answered and is missing", j.ID, line)
		}
	}
	want := job.TimedOut
	if len(a.ends) > 0 {
		want = a.ends[0]
	}
	if len(a.ends) > 1 || before.State != string(want) {
		s.found("%s: the last event has the state %s, but the ends %v were answered", j.ID, before.State, a.ends)
	}
}

func simulateJobs(t *testing.T, seed uint64, spoil func(tenants.Table) tenants.Table) (faults []string) {
	synctest.Test(t, func(t *testing.T) { faults = (&jobSim{seed: seed}).run(t, spoil) })
	return faults
}

// No answered report is lost, nothing goes backwards, and every job ends once.
func TestJobs(t *testing.T) {
	for seed := range depth.Schedules() / 4 {
		if faults := simulateJobs(t, seed, rig.Honest); faults != nil {
			t.Fatalf("seed %d: got faults %q, want none", seed, faults)
		}
	}
}

func TestJobsFindsPlantedFaults(t *testing.T) {
	for name, spoil := range map[string]func(tenants.Table) tenants.Table{
		"a job written without its condition": rig.Unchecked("list/jobs", rig.AnyCondition),
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(500) {
				if faults := simulateJobs(t, seed, spoil); faults != nil {
					t.Logf("found by seed %d: %.200s", seed, fmt.Sprint(faults))
					return
				}
			}
			t.Error("no fault in 500 schedules, want the planted one to be found")
		})
	}
}
