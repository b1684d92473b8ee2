// Package cache keeps in memory, for a bounded time and in bounded space, what a process has read or counted. It owns
// no rows. Everything in it belongs to one process and is lost with it.
//
//   - Cache shares one load among concurrent callers, and keeps answers and refusals apart. Keys, sources, limits and
//     policies are kept in one for ReadTTL: the longest that a change may take to be noticed.
//   - Rate is a set of token buckets: requests, events or attempts per second.
//
// A caller puts the tenant into each key, or a hash that implies it, so that no tenant gets the answer of another.
package cache
