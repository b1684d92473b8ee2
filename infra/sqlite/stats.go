package sqlite

import "sync/atomic"

// Stats counts calls and transactions since Open.
type Stats struct {
	Calls   uint64 // calls through the writer: Write, WriteEach, Send, Receive, Done, Release
	Commits uint64 // transactions that wrote something
	Syncs   uint64 // commits that waited for the disk, with one fsync each; checkpoints are not included
	Failed  uint64 // transactions that were rolled back
}

type counts struct{ calls, commits, syncs, failed atomic.Uint64 }

// Stats returns the counts since Open.
func (db *DB) Stats() Stats {
	c := &db.w.counts
	return Stats{Calls: c.calls.Load(), Commits: c.commits.Load(), Syncs: c.syncs.Load(), Failed: c.failed.Load()}
}
