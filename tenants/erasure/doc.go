// Package erasure removes everything that a deleted tenant has left. The admin API calls Delete; a timer calls Run
// (functions/sweep), and the one-process server calls Watch.
//
// Delete marks the tenant as closing, removes at once the rows that outsiders could still use (those whose kind is
// AtOnce, with the lookup rows that lead to them), and ends with the tenant itself. Run removes the rest, page by
// page: the channels with their events and claims, then the rows of each kind that the other packages name in their
// Kinds. All other rows (deliveries, interest, traces, counts of slots, idempotency keys)
// disappear when they expire, deliveries 30 days and positions of ordered endpoints 60 days after the last change.
//
// Its own rows are the list of the tenants to erase:
//
//	list/closing  System, tenant id   since when the tenant is deleted; removed once nothing of it is left
//
// # Invariants
//
//   - Every step can be repeated and every run stopped: the next one, in any process, goes on. Several may run at once.
//   - Run removes nothing in the first minute, while other processes may still use what they have cached of the tenant.
//   - A tenant is done when a run at least an hour after its deletion finds nothing. A worker that was frozen may write
//     rows after the erasure; the appender and the deliverer drop what waits in their queues for a deleted tenant.
package erasure
