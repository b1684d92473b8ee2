// Package contract has the suites that every adapter must pass: TestTable, TestFeed, TestQueue and TestVault, with a
// case for each obligation in tenants/ports.go. A rule that an adapter broke becomes a case here. The simulations of
// package tenantstest pass them too.
package contract
