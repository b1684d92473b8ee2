package api

import (
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// Bearer returns the credential of a request from the values of its Authorization header. The scheme is
// case-insensitive and is separated from the credential by one or more spaces (RFC 9110 section 11.4, RFC 6750
// section 2.1). Errors are of kind Unauthenticated: credential_missing without a value, credential_malformed for
// anything else that is not one bearer credential.
func Bearer(values []string) (string, error) {
	if len(values) == 0 {
		return "", tenants.Errorf(tenants.Unauthenticated, "credential_missing",
			"the Authorization header is missing; send Authorization: Bearer followed by an API key or a token")
	}
	scheme, credential, _ := strings.Cut(values[0], " ")
	credential = strings.TrimLeft(credential, " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || credential == "" ||
		strings.ContainsAny(credential, " \t,") {
		return "", tenants.Errorf(tenants.Unauthenticated, "credential_malformed",
			"the Authorization header must occur once and be Bearer followed by an API key or a token")
	}
	return credential, nil
}
