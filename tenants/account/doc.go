// Package account keeps tenants and their credentials: who exists, on which plan, with which keys, and who has changed
// what.
//
// # The types
//
// Accounts has the tenants. Keys has API keys, of which only the hash is stored. Signers has the HS256 keys that tokens
// are signed with, sealed. AuditLog has a record of each change. News tells streaming nodes that a tenant has changed.
//
// # The rows
//
//	tenant          {tenant}, ""                a tenants.Tenant
//	list/tenants    sys, tenant id              empty: the list of all tenants
//	list/keys       {tenant}, key id            an APIKey; the operator's key is under sys
//	key             sys, SHA-256 of the key     how a presented key is found in one read
//	list/signing    {tenant}, kid               a sealed signer key
//	audit/entries   {tenant}, time and id       an AuditEntry, kept for 400 days
//
// The row "version" of each tenant (tenants.VersionKey) belongs to the root package and is written here.
//
// # Who calls it
//
// The admin API changes tenants and keys. Every request authenticates with Keys.Authenticate, and everything that
// acts for a tenant asks Accounts.Active or Accounts.Limits first. Packages source, endpoint, access, token and proxy
// write their own rows through Accounts.Change.
//
// # Invariants
//
//   - Changes of one tenant are serial. Change reads the tenant's version row, lets the caller decide what to write,
//     and writes only if the version is still the same. A limit such as "at most 100 keys" therefore holds against
//     any number of concurrent calls.
//   - Each change increases the version, so that a node that missed a notice finds out by reading the version row.
//   - Nothing is changed or added while a tenant is being deleted.
//   - Reads on the request path are cached for at most 5 s. A suspension or a deleted key takes effect within that
//     time in every process, and at once in the one that made the change.
//   - A secret is returned once, when it is made. No type here prints one.
package account
