// Package sqlite keeps everything that one box has to keep in a single SQLite file: a Table with its change feed, and Queues.
//
// All writing goes through one goroutine, which puts the calls that wait at the same time into one transaction: they share one commit, and
// so one fsync. Each call's conditions are weighed in turn inside that transaction, and a refusal is the refused call's alone. Nothing is
// acknowledged before its commit is on the disk (WAL with synchronous=FULL, https://www.sqlite.org/wal.html). Reading goes past the
// writer, over a few connections of its own.
//
// One process has the file at a time; a second one fails to open it.
package sqlite
