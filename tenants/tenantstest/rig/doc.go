// Package rig has what tests of several domain packages share: those packages put together over the simulations of
// tenantstest, with helpers that fail the test if a step fails. A rig holds the state of one test.
//
//   - Office: accounts, keys, sources and erasure over one table
//   - AppenderRig: queue, appender, log and inboxes; no accounts
//   - IntakeRig: both, from a webhook or a publish to the log; JobRig adds jobs
//   - Fleet: several streaming nodes over one table
//   - Post: dispatcher and deliverer, with Receivers as the servers that they deliver to
//   - Made, Whole, CheckLog, …: events to append, and checks of what a channel holds
//   - BadDays, Unchecked, Spoiled: tables with faults
package rig
