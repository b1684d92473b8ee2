// Package worker has the loops that every background job needs: a pool that drains a queue, bounded parallelism,
// batches with failed items, and waits that end with their context. It owns no rows. Appender, deliverer and
// projections stand on it.
//
//   - Pool and GiveBack drain a queue. A message is done only when its handler says so. One that fails comes again,
//     later each time, and after a crash the queue shows every message in work again.
//   - Parallel and Each run a function for many items, a bounded number at a time. Failures collects the failed items.
//   - Wait, Pause and RetryDelay are how a loop waits after a failure.
package worker
