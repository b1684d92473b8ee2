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
	checkEvery   = time.Minute         // the longest time between two checks of a running job
	forgetAfter  = 16 * 24 * time.Hour // after its end a job's own channel is empty, and its last rows are removed
	pollEvery    = time.Second         // how often Watch reads which jobs are due
	page         = 100
	checksAtOnce = 8

	maxRuns = 500 // at once in one process; others wait, or another node does them
)

// dueKey returns the key of the row that says when to check a job.
func dueKey(at time.Time, tenant tenants.TenantID, id string) tenants.Key {
	sort := fmt.Sprintf("%019d/%s/%s", max(0, at.UnixMilli()), tenant, id)
	return tenants.Key{Tenant: tenants.System, Kind: rowDue, Sort: sort}
}

func parseDue(sort string) (tenant tenants.TenantID, id string, err error) {
	parts := strings.Split(sort, "/")
	if len(parts) != 3 {
		return "", "", tenants.Errorf(tenants.Internal, "record_undecodable",
			"the key of a job's due time must have 3 parts")
	}
	return tenants.TenantID(parts[1]), parts[2], nil
}

// Watch checks the jobs that are due until ctx ends: it ends those that have timed out, publishes what a dead process
// left, does runs, and removes the last rows of old jobs. Any number of nodes may call it at once. It reports errors to
// failed, unless that is nil.
func (j *Jobs) Watch(ctx context.Context, failed func(error)) {
	j.mu.Lock()
	j.watching = ctx
	j.mu.Unlock()
	defer j.background.Wait()
	for ctx.Err() == nil {
		if _, err := j.CheckDue(ctx); err != nil && ctx.Err() == nil && failed != nil {
			failed(err)
		}
		worker.Wait(ctx, pollEvery)
	}
}

// CheckDue checks every job that is due now and returns their number. A job whose check fails is due again later.
func (j *Jobs) CheckDue(ctx context.Context) (checked int, err error) {
	for before := fmt.Sprintf("%019d", time.Now().UnixMilli()+1); ; {
		due := tenants.Range{Tenant: tenants.System, Kind: rowDue, Before: before, Limit: page}
		rows, err := j.table.Query(ctx, due)
		if err != nil {
			return checked, err
		}
		errs := make([]error, len(rows))
		worker.Parallel(len(rows), checksAtOnce, func(i int) error {
			errs[i] = j.checkRow(ctx, rows[i])
			return nil
		})
		checked += len(rows)
		if err := errors.Join(errs...); err != nil || len(rows) < page {
			return checked, err
		}
	}
}

// checkRow checks a job and writes when it is due next. If two nodes do so at once, the version of the row decides
// which of them writes.
func (j *Jobs) checkRow(ctx context.Context, due tenants.Row) error {
	tenant, id, err := parseDue(due.Sort)
	if err != nil {
		return err
	}
	next, err := j.advance(ctx, tenant, id)
	if err != nil {
		next = time.Now().Add(claimTime) // then any claim of a publisher has lapsed
	}
	ops := []tenants.Op{tenants.Delete(due.Key, tenants.At(due.Version))}
	if k := dueKey(next, tenant, id); next.IsZero() { // the job's own channel holds nothing readable any more
		ch := tenants.ChannelKey{Tenant: tenant, Name: tenants.JobChannels + id}
		ops = append(ops, tenants.Delete(eventlog.HeadKey(ch), tenants.Anything()),
			tenants.Delete(eventlog.RecordKey(ch), tenants.Anything()))
	} else if k != due.Key {
		ops = append(ops, tenants.Put(k, record.Empty, time.Time{}, tenants.Anything()))
	} else {
		return err
	}
	if moved := j.table.Write(ctx, ops...); moved != nil && !tenants.IsRefused(moved) {
		err = errors.Join(err, moved)
	}
	return err
}

// advance does what is due for a job, and returns when to check it next; zero: never.
func (j *Jobs) advance(ctx context.Context, tenant tenants.TenantID, id string) (next time.Time, err error) {
	var publishing, running bool
	r, err := j.change(ctx, tenant, id, func(r *storedJob, now time.Time) error {
		if r.State == Running && !now.Before(r.deadline()) {
			r.timeOut(now)
		}
		running = r.advanceRun(now, j.runnerNode())
		publishing = r.claimPublishing(now)
		return nil
	})
	if running && err == nil {
		j.startRun(r)
	}
	if tenants.IsNotFound(err) {
		return time.Time{}, nil
	}
	if err == nil && publishing {
		if err = j.publish(ctx, r); err == nil {
			r, err = j.read(ctx, tenant, id)
		}
	}
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	next = now.Add(claimTime)
	switch {
	case r.State != Running && !r.unpublished():
		return r.Ended.Add(forgetAfter), nil
	case r.State != Running:
		return next, nil
	case r.Run != nil && r.Run.Node == "":
		next = now.Add(pollEvery)
	case r.Run == nil && !r.unpublished():
		next = now.Add(checkEvery)
	}
	return tenants.Earlier(r.deadline(), next), nil
}

// timeOut ends the job because its deadline has passed.
func (r *storedJob) timeOut(now time.Time) {
	why := "the worker has not reported for " + strconv.FormatInt(int64(r.Timeout/time.Second), 10) + " seconds"
	switch {
	case r.Run != nil:
		why = "the endpoint took longer than 15 minutes"
	case now.Before(r.Reported.Add(r.Timeout)):
		why = "the job took longer than 24 hours"
	}
	r.end(TimedOut, now)
	r.Error = &Error{Code: errorTimedOut, Message: why}
	r.Revision++
}

// runnerNode returns this process's name in claims of runs, or "" if it cannot do one now.
func (j *Jobs) runnerNode() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.watching == nil || j.watching.Err() != nil || j.runs >= maxRuns {
		return ""
	}
	return j.node
}

// startRun does a claimed run in a goroutine of Watch.
func (j *Jobs) startRun(r storedJob) {
	j.mu.Lock()
	defer j.mu.Unlock()
	ctx := j.watching
	j.runs++
	j.background.Go(func() {
		j.perform(ctx, r)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.runs--
	})
}
