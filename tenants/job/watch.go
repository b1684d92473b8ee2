package job

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	jobLook  = time.Minute         // each running job is looked at so often at least
	jobTrace = 16 * 24 * time.Hour // after its end nothing is left of a job's own channel but what says that there was one
	jobPoll  = time.Second         // how often Watch asks what is due
	jobPage  = 100
	jobsLook = 8 // looked at side by side

	runsAtOnce = 500 // that a process has under way; others are left to other nodes, or until there is room
)

// dueKey says when a job is to be looked at.
func dueKey(at time.Time, tenant tenants.TenantID, id string) tenants.Key {
	return tenants.Key{Tenant: tenants.System, Kind: rowJobsDue, Sort: fmt.Sprintf("%019d/%s/%s", max(0, at.UnixMilli()), tenant, id)}
}

func parseDue(sort string) (tenant tenants.TenantID, id string, err error) {
	parts := strings.Split(sort, "/")
	if len(parts) != 3 {
		return "", "", tenants.Errorf(tenants.Internal, "record_undecodable", "a job's due time")
	}
	return tenants.TenantID(parts[1]), parts[2], nil
}

// Watch looks at jobs that are due until ctx ends: it times out those that nobody reports on, tells what a process that died has left untold, and
// takes away what is left of those long ended. Any number of nodes may, at once. While it runs, what is told with a delay is told by it.
func (j *Jobs) Watch(ctx context.Context, failed func(error)) {
	j.mu.Lock()
	j.watched = ctx
	j.mu.Unlock()
	defer j.later.Wait()
	for ctx.Err() == nil {
		if _, err := j.Look(ctx); err != nil && ctx.Err() == nil && failed != nil {
			failed(err)
		}
		worker.Wait(ctx, jobPoll)
	}
}

// Look looks at every job that is due by now and returns how many that were. One that cannot be dealt with is due again in a while.
func (j *Jobs) Look(ctx context.Context) (looked int, err error) {
	for before := fmt.Sprintf("%019d", time.Now().UnixMilli()+1); ; {
		rows, err := j.table.Query(ctx, tenants.Range{Tenant: tenants.System, Kind: rowJobsDue, Before: before, Limit: jobPage})
		if err != nil {
			return looked, err
		}
		errs := make([]error, len(rows))
		if err := worker.Parallel(len(rows), jobsLook, func(i int) error {
			errs[i] = j.look(ctx, rows[i])
			return nil
		}); err != nil {
			return looked, err
		}
		looked += len(rows)
		if err := errors.Join(errs...); err != nil || len(rows) < jobPage {
			return looked, err
		}
	}
}

// look deals with one job and says when it is due again. The row of that time is the one thing that two nodes could do twice: its
// version decides who does.
func (j *Jobs) look(ctx context.Context, due tenants.Row) error {
	tenant, id, err := parseDue(due.Sort)
	if err != nil {
		return err
	}
	next, err := j.attend(ctx, tenant, id)
	ops := []tenants.Op{tenants.Delete(due.Key, tenants.At(due.Version))}
	if err != nil {
		next = time.Now().Add(mindTime) // by then nobody minds the job any more
	}
	if next.IsZero() { // its own channel goes, of which nothing is left that could be read
		ch := tenants.ChannelKey{Tenant: tenant, Name: tenants.JobChannels + id}
		ops = append(ops, tenants.Delete(eventlog.HeadKey(ch), tenants.Anything()), tenants.Delete(eventlog.RecordKey(ch), tenants.Anything()))
	} else if k := dueKey(next, tenant, id); k != due.Key {
		ops = append(ops, tenants.Put(k, record.Empty, time.Time{}, tenants.Anything()))
	} else {
		ops = nil
	}
	if len(ops) > 0 {
		if moved := j.table.Write(ctx, ops...); moved != nil && !tenants.IsRefused(moved) {
			err = errors.Join(err, moved)
		}
	}
	return err
}

// attend does what is to be done about a job now, and returns when to look again; zero: never.
func (j *Jobs) attend(ctx context.Context, tenant tenants.TenantID, id string) (next time.Time, err error) {
	var mine, claimed bool
	r, err := j.change(ctx, tenant, id, func(r *jobRecord, now time.Time) error {
		if r.State == Running && !now.Before(r.deadline()) {
			r.timeOut(now)
		}
		claimed = r.attendRun(now, j.running())
		mine = r.mind(now)
		return nil
	})
	if claimed && err == nil {
		j.begin(r)
	}
	if tenants.IsNotFound(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	if mine {
		if err := j.settle(ctx, r); err != nil {
			return time.Time{}, err
		}
		if r, _, err = j.read(ctx, tenant, id); err != nil {
			return time.Time{}, err
		}
	}
	now := time.Now()
	switch {
	case r.State != Running && !r.unsent():
		return r.Ended.Add(jobTrace), nil
	case r.State != Running:
		return now.Add(mindTime), nil
	}
	next = now.Add(jobLook)
	if r.unsent() || r.Run != nil {
		next = now.Add(mindTime)
	}
	if r.Run != nil && r.Run.Node == "" {
		next = now.Add(jobPoll)
	}
	return tenants.Earlier(r.deadline(), next), nil
}

// timeOut ends the job because nobody has reported.
func (r *jobRecord) timeOut(now time.Time) {
	why := "nobody has reported for " + strconv.FormatInt(int64(r.Timeout/time.Second), 10) + " seconds"
	switch {
	case r.Run != nil:
		why = "the endpoint has taken longer than 15 minutes"
	case now.Before(r.Reported.Add(r.Timeout)):
		why = "the job has taken longer than 24 hours"
	}
	r.end(TimedOut, now)
	r.Error = &Error{Code: ErrorTimedOut, Message: why}
	r.Revision++
}

// running is this process's name where it runs jobs at the moment.
func (j *Jobs) running() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.watched == nil || j.watched.Err() != nil || j.runs >= runsAtOnce {
		return ""
	}
	return j.node
}

// begin runs a job that was claimed, in the time of Watch.
func (j *Jobs) begin(r jobRecord) {
	j.mu.Lock()
	defer j.mu.Unlock()
	ctx := j.watched
	j.runs++
	j.later.Go(func() {
		j.run(ctx, r)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.runs--
	})
}
