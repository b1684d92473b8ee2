// Package dynamo stores rows in one DynamoDB table and follows the table's stream.
//
// Each ordered kind of a tenant is one partition; each row of a point kind is a partition of its own. The partition
// key begins with the tenant (layout.go). A write of one row is one conditional request. Only a Write of several rows
// is a transaction, which costs twice as much. Bodies are compressed if that saves space. Conditions and filters hide
// expired rows, because DynamoDB takes days to remove them.
//
// A request is retried after throttling, conflicts between transactions, server errors and lost connections, with
// jitter and a limit (retry.go). A request that changes one row may succeed although its response is lost; the
// condition of the retry then fails because of the first attempt. A failed condition after a lost response is
// therefore an error of kind Unavailable with code outcome_unknown, never a RefusedError. A transaction carries a
// token by which DynamoDB recognizes a retry. A put or delete under Anything may take effect a second time, later,
// after a lost connection.
//
// The bodies of one Write may have 3.9 MB in total (DynamoDB's limit for a transaction is 4 MB).
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/Welcome.html
package dynamo
