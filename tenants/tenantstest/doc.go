// Package tenantstest holds what tests of the domain and of its adapters stand on: a simulated Table, Queue and Vault, and the
// contract suites that every adapter passes.
//
// The simulations keep the ports' promises and nothing beyond them. By default they are merely correct; Faults turns on what a real
// engine does on a bad day and a test server never shows: torn queries, reordered and repeated changes, messages that come twice, calls
// that fail without having happened and calls that fail having happened, callers frozen in mid-call. They work inside a testing/synctest
// bubble, where all of that takes no time, and they panic as soon as a caller breaks one of the ports' rules.
//
// The suites (TestTable, TestFeed, TestQueue, TestVault) hold a case for each obligation in tenants/ports.go.
package tenantstest
