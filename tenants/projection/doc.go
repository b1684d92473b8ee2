// Package projection keeps two views of all channels of a tenant, made from the log's rows: usage per month, and the
// index that lists events over all channels. Both follow the table's change feed (tenants.Feed), so they cost
// ingestion nothing and lag behind the log. The feed gives every change at least once, in any order, so counting an
// event twice must change nothing.
//
// Its rows, all ordered kinds of the tenant:
//
//   - "usage/{month}", Sort the channel: the lowest and the highest number of the channel in the month. The log is
//     dense, so they are a count. Kept for 13 months.
//   - "index/events", Sort the time of the newest event and a hash: a sheet of up to 250 events of one batch. Kept as
//     long as the event that is kept longest.
//
// One process, or a function, runs MonthlyUsage and EventIndex over a feed. Package intake reads the month's usage to
// hold tenants to their limits; package api serves both; package erasure deletes the rows by Kinds. Hookcast's own
// channels are in neither view.
package projection
