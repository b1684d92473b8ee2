// Package dynamo keeps rows in one DynamoDB table, and follows the table's stream.
//
// An ordered kind of a tenant is one partition, a row of a point kind has one to itself; the tenant is the first part of both (layout.go).
// A write of one row is one conditional request; only a Write of several rows is a transaction, which costs twice as much. Bodies are
// compressed where that saves anything. Rows past their expiry are hidden by conditions and filters here, since DynamoDB takes days to
// remove them.
//
// A request is retried after throttling, conflicts between transactions, server errors and lost connections, with jitter and up to a bound
// (retry.go). A request that changes one row can be done although its answer was lost, and the retry is then refused by what the first one
// did: so a refusal behind a lost answer is kind Unavailable, code outcome_unknown, never a RefusedError. A transaction carries a token,
// by which DynamoDB knows a retry. What is put or deleted under Anything may, after a lost connection, be done a second time, late.
//
// The bodies of one Write may be 3.9 MB together (DynamoDB's limit for a transaction is 4 MB).
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/Welcome.html
package dynamo
