// Package job shows the progress of slow work in a channel.
//
// The worker of a job is a program of the tenant, which reports by the API, or one of the tenant's endpoints, whose
// answer is read as reports (a run). Each report changes the job, and the job publishes what has changed in its
// channel through package intake: events of type job.progress and job.log, and at last job.completed, job.failed or
// job.timed_out, which ends the channel. Every event holds the whole state of the job, so a reader needs only the
// latest one; log lines are additional.
//
// # Rows
//
//	list/jobs          tenant, job id            the job, and which of its events are to be published (storedJob)
//	list/jobs-running  tenant, job id            the job has not ended; these rows count against the limit of jobs
//	job-channel        tenant, channel           the channel, named by the caller of Create, belongs to a job
//	list/jobs-due      sys, time/tenant/job id   when CheckDue checks the job next
//
// # Callers
//
// Package api creates, reports on, lists and cancels jobs. Streaming nodes call Watch; with a Runner they also do runs.
// Package erasure removes the rows that Kinds names.
//
// # Invariants
//
//   - A job is one row, changed by compare-and-swap, so it ends exactly once.
//   - An event to be published is stored in the write of the change that caused it. If the process that took a report
//     dies, the next report or Watch publishes the event.
//   - Only one event of a job is under way at a time, so events enter the channel in the order of the changes. Sending
//     one again is harmless: its id follows from the job and the event's number.
//   - Events of one type are at least 250 ms apart. Changes within that time are published as one.
//   - A run is begun at most once. The first node that finds it claims it, posts to the endpoint, and renews the claim
//     until the answer ends. If the claim lapses the run has failed: its work may be half done.
package job
