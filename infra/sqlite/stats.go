package sqlite

import "sync/atomic"

// Stats are counts since Open.
type Stats struct {
	Calls   uint64 // calls that write: Write, WriteEach, Send, Receive, Done, Release
	Commits uint64 // transactions that wrote something
	Syncs   uint64 // of those, the ones that waited for the disk: one fsync each. Checkpoints come on top
	Failed  uint64 // transactions that were taken back
}

type counts struct{ calls, commits, syncs, failed atomic.Uint64 }

// Stats returns the counts.
func (db *DB) Stats() Stats {
	c := &db.w.counts
	return Stats{Calls: c.calls.Load(), Commits: c.commits.Load(), Syncs: c.syncs.Load(), Failed: c.failed.Load()}
}
