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

// jobSim is workers of three processes that report on two jobs over a table and a queue on a bad day, while two more processes look after jobs.
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

// answered is what workers were told that it was taken.
type answered struct {
	mu      sync.Mutex
	percent float64
	lines   []string
	ends    []job.State
}

// work reports until the job has ended, and ends it at last. An end is tried until it was answered; other reports may fail.
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
			s.found("%s: %v", name, err)
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
		s.found("%s ends: %v", name, err)
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
		jobs[i] = rig.Ok(maker.Create(context.Background(), ten.ID, job.Spec{Timeout: time.Duration(2+s.seed%20) * time.Second}))(t)
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
	told := [2]answered{}
	for i, job := range jobs {
		for w := range 3 {
			name := fmt.Sprintf("worker %d of %d", w, i)
			rng := rand.New(rand.NewPCG(s.seed, uint64(10*i+w)))
			j := process()
			working.Go(func() { s.work(j, job, name, rng, &told[i]) })
		}
	}
	working.Wait()
	time.Sleep(5 * time.Minute) // longer than anything is frozen
	s.raw.Turn(tenantstest.Faults{})
	queue.Turn(tenantstest.Faults{})
	time.Sleep(time.Minute) // longer than anything is left untold once the day is better
	for queue.Len() > 0 {
		time.Sleep(time.Second)
	}
	cancel()
	running.Wait()
	for i := range jobs {
		s.check(t, jobs[i], &told[i])
	}
	return s.faults
}

// check holds a job's channel to what was answered.
func (s *jobSim) check(t *testing.T, j job.Job, a *answered) {
	all := rig.ShownIn(t, eventlog.New(s.raw), j)
	var before rig.Shown
	var lines []string
	for i, e := range all {
		if e.Percent < before.Percent || e.Revision < before.Revision {
			s.found("%s: %+v comes behind %+v", j.ID, e, before)
		}
		if e.End != (i == len(all)-1) {
			s.found("%s: event %d of %d is an end: %v", j.ID, i+1, len(all), e.End)
		}
		lines, before = append(lines, e.Lines...), e
	}
	if before.State == string(job.Running) {
		s.found("%s never ends", j.ID)
	}
	if before.Percent < a.percent {
		s.found("%s: %v was answered, and the last is %v", j.ID, a.percent, before.Percent)
	}
	for _, line := range a.lines {
		if !slices.Contains(lines, line) {
			s.found("%s: the line %q was answered and is lost", j.ID, line)
		}
	}
	if len(a.ends) > 1 || len(a.ends) == 1 && string(a.ends[0]) != before.State || len(a.ends) == 0 && before.State != string(job.TimedOut) {
		s.found("%s: the ends %v were answered, and told is %s", j.ID, a.ends, before.State)
	}
}

func simulateJobs(t *testing.T, seed uint64, spoil func(tenants.Table) tenants.Table) (faults []string) {
	synctest.Test(t, func(t *testing.T) { faults = (&jobSim{seed: seed}).run(t, spoil) })
	return faults
}

// A report that was answered is never lost, nothing goes back, and every job ends once.
func TestJobs(t *testing.T) {
	for seed := range depth.Schedules() / 4 {
		if faults := simulateJobs(t, seed, rig.Honest); faults != nil {
			t.Fatalf("seed %d: %q", seed, faults)
		}
	}
}

func TestJobsFindsPlantedFaults(t *testing.T) {
	for name, spoil := range map[string]func(tenants.Table) tenants.Table{
		"a job changed whatever it is by then": rig.Unchecked("list/jobs", rig.AnyCondition),
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(500) {
				if faults := simulateJobs(t, seed, spoil); faults != nil {
					t.Logf("found by seed %d: %.200s", seed, fmt.Sprint(faults))
					return
				}
			}
			t.Error("500 schedules did not find it")
		})
	}
}
