// Package signing verifies that a webhook was sent by a holder of the secret.
//
// A provider is a [Scheme]: a row of the table (the files table_*.go) that says which header or field holds the
// signature, how it is written, which bytes it covers, how old it may be, where the delivery's id and type are, and
// which handshake the provider performs first. One piece of code interprets every row: a new provider needs a new
// row, at most a new field, never a branch on its name.
//
// The package is pure. It reads no clock, opens no connection, keeps no state and never logs: the caller passes the
// request as received, the secrets, the time and, if the scheme uses one, the certificate found at
// [Scheme.CertificateURL]. It trusts nothing in a request before a signature has been verified. Its work is bounded
// for any input: at most [MaxSignatures] signatures in at most [MaxHeader] bytes, or one in each of a scheme's
// numbered headers; one MAC per secret and spelling of the URL; and a few passes over the body.
//
//	scheme, _ := signing.Lookup("github")
//	secret, err := scheme.ParseSecret(text)             // once, when the source is configured
//	verified, err := scheme.Verify(request, []signing.Secret{secret}, now, signing.Options{})
//
// Every error is an [*Error] with a stable code. It never contains a secret or the expected signature.
package signing
