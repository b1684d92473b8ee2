// Package signing decides whether a webhook was sent by whoever holds the secret.
//
// A provider is a [Scheme]: a row of the table (the files table_*.go) that says in which header or field the signature
// stands, how it is written, which bytes it covers, how old it may be, where the delivery's id and type are, and what the
// provider asks before it sends anything. One piece of code reads every row; to add a provider is to add a row, at most a
// new value of a field, never a branch that names it.
//
// The package is pure. It reads no clock, opens no connection, keeps no state and never logs: the caller gives it the
// request as received, the secrets, the time and, where a scheme signs with a certificate, the certificate at
// [Scheme.CertificateURL]. It trusts nothing of a request before a signature has passed, and it does bounded work on
// whatever it is given: at most [MaxSignatures] signatures in at most [MaxHeader] bytes, or one in each of a scheme's
// numbered headers; one MAC per secret and spelling of the address; and a few passes over the body.
//
//	scheme, _ := signing.Lookup("github")
//	secret, err := scheme.ParseSecret(text)             // once, when the source is configured
//	verified, err := scheme.Verify(request, []signing.Secret{secret}, now, signing.Options{})
//
// An error is always an [*Error] with a stable code. It never holds a secret or the signature that was expected.
package signing
