// Package tenantstest supports tests of the domain. It has a simulated Table, Queue and Vault; package contract has the
// suites that these and every adapter must pass.
//
// The simulations keep the ports' promises and no more. By default they are flawless. Faults enables what real
// engines do at times and test servers never show: torn queries, reordered and repeated changes, duplicate messages,
// calls that fail without or after taking effect, and callers frozen in the middle of a call. The simulations work in
// a testing/synctest bubble, where all of this takes no time, and they panic when a caller breaks a rule of the
// ports.
package tenantstest
