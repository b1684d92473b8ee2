// Package keyring derives the keys of one deployment from its root secret, and makes and compares secret texts. From
// the keys follow source tokens, key ids of signers, endpoint challenges, job report tokens and list cursors: each is
// verified without a look-up, so a made-up one costs no read.
//
// It owns one row, the point kind "deployment" of the tenant sys (tenants.System): the root secret, 32 random bytes
// sealed by the Vault. The process that starts first writes it. It never changes: everything derived from it would
// become invalid.
//
// Packages account, source, endpoint, job and api get a Ring, or one of its keys, when a process starts. A Ring never
// prints.
package keyring
