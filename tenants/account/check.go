package account

import (
	"net/mail"
	"net/url"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

const maxOrigins = 50

// checkOrigins refuses origins unless each is a scheme and an authority, as a browser writes its Origin header (RFC
// 6454 section 6.2): Unprocessable invalid_origin, at /origins.
func checkOrigins(origins []string) error {
	if len(origins) > maxOrigins {
		return tenants.Refused("/origins", "invalid_origin", "the origins must list at most 50 items")
	}
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || len(o) > 255 || o != strings.ToLower(o) || u.Scheme == "" || u.Hostname() == "" ||
			u.Scheme+"://"+u.Host != o || strings.ContainsAny(u.Host, "*% ") {
			return tenants.Refused("/origins", "invalid_origin",
				"an origin must be a scheme and a host in lower case, "+
					"with a port unless it is the scheme's default: https://app.example.com")
		}
	}
	return nil
}

// normalEmail returns the address in lower case, or refuses it: Unprocessable invalid_email, at /email. Only ASCII is
// accepted, so that addresses that look alike are equal.
func normalEmail(email string) (string, error) {
	a, err := mail.ParseAddress(email[:min(len(email), 255)])
	if err != nil || a.Name != "" || a.Address != email || len(email) > 254 ||
		strings.ContainsFunc(email, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", tenants.Refused("/email", "invalid_email",
			"the email must be one plain address such as ops@example.com, at most 254 ASCII characters")
	}
	return strings.ToLower(email), nil
}

// ValidTokenRole reports whether a token may carry the role: tenants.RolePublisher, tenants.RoleViewer, or a name of
// the tenant's own, a letter and up to 63 characters of a-z, 0-9, _ and -. The other roles are for API keys only.
func ValidTokenRole(role string) bool {
	switch role {
	case tenants.RoleOwner, tenants.RoleAdmin, tenants.RoleSigner, tenants.RoleOperator, "":
		return false
	}
	return len(role) <= 64 && role[0] >= 'a' && role[0] <= 'z' &&
		strings.Trim(role, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}
