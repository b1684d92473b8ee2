// Package eventlog keeps each channel's events as one dense sequence 1, 2, 3, … over a Table. Any number of processes
// may append to one channel at once. The conditions of the writes keep the sequence dense and free of duplicates, and
// keep a number from being used twice; there is no lock and no single writer to rely on.
//
// Its rows, all of the channel's tenant:
//
//   - "log/{channel}", Sort the number in 19 digits: the event, as tenants.EncodeEvent writes it
//   - "evt", Sort the event's id: its claim, the number that the event has or is to have
//   - "head", Sort the channel: a lower bound of the channel's last number, which never expires
//   - "list/channels", Sort the channel: the Channel record, with what was purged
//
// The row at a number is the truth; the claim is the index by event id, and the head a place to search from. A claim
// alone does not mean that the event is in the log.
//
// Log.Append has two ways. The fast one claims the numbers after the tail for a whole batch and then puts the rows in
// order, each where there is none, so a batch stops at a row of another writer. The slow one takes over where the
// fast one stops. For each event it reads the tail, the claim, and the row that the claim names. If that is not the
// event's, one write moves the claim and puts the row after the tail. Log.place has the proof.
//
// The appender (package intake) is the main writer; jobs and proxies publish through it. The API, the hub and package
// delivery read. Log.Read never skips a number silently: what retention or a purge hides, or what is lost, is a Gap.
// Retention is a floor for readers; rows leave the table later, when they expire. Package erasure deletes the rows of
// a deleted tenant.
package eventlog
