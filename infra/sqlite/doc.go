// Package sqlite implements the storage ports of package tenants for a single process: a Table with its change feeds,
// and Queues, all in one SQLite file.
//
// One goroutine does all writing. It puts calls that wait at the same time into one transaction, so they share one
// commit and therefore one fsync. It checks the conditions of each call inside that transaction, one call after
// another; a refusal affects only the refused call. Nothing is acknowledged before its commit is on the disk (WAL
// with synchronous=FULL, https://www.sqlite.org/wal.html). Reads do not go through the writer; they use a few
// connections of their own.
//
// Only one process can have the file open; a second one fails to open it.
package sqlite
