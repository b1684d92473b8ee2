// Package source keeps sources: URLs that providers post webhooks to. It decides whether a request is genuine and which
// channel its event goes to.
//
// For each request package intake calls Sources.ByToken with the token from the URL, then Verifier.Verify with the raw
// body, and then lets the source's Template name the channel. The admin API creates and changes sources.
//
// # The rows
//
//	list/sources    {tenant}, source id         a Source, with its secrets and URL tokens sealed
//	source          sys, SHA-256 of a token     how a URL is found in one read
//
// # Invariants
//
//   - A token carries a keyed checksum. A made-up token, or one of another deployment, costs no read.
//   - Secrets and tokens are sealed in the vault for one tenant and one source, and do not open in another's record.
//   - While a secret or a URL is being rotated, the old and the new one work. An old one stops at its NotAfter or
//     Expires in every process, whatever is cached.
//   - The row of a source and the rows of its URLs change together, through account.Accounts.Change. The limit on the
//     number of sources therefore holds against any number of concurrent calls.
//   - A channel template cannot make a name with more segments than its author wrote, whatever a payload contains.
package source
