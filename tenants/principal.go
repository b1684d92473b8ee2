package tenants

import "time"

// Roles that API keys have. Tokens may carry RolePublisher, RoleViewer and roles of the tenant's own naming.
const (
	RoleOwner     = "owner"
	RoleAdmin     = "admin"
	RolePublisher = "publisher"
	RoleViewer    = "viewer"
	RoleSigner    = "signer"   // signs tokens at the tenant's own backend; authenticates no request itself
	RoleOperator  = "operator" // runs the deployment
)

// Principal is who a request acts for, once its credential has been verified. It is shared: its slices are read only.
type Principal struct {
	Tenant   TenantID // System with an operator
	KeyID    string   // the API key; "" with a token
	TokenID  string   // the token; "" with an API key
	KID      string   // the signer of the token; "" with an API key
	Subject  string   // the token's subject, the tenant's own name for an end user; "" with an API key
	Roles    []string
	Channels []string // patterns that narrow what roles give; nil: not narrowed
	Issued   time.Time
	Expires  time.Time // zero: never
	Operator bool
}

// SameAs tells whether both act for the same end user, whatever token either came with, or hold the same API key.
func (p Principal) SameAs(q Principal) bool {
	return p.Tenant == q.Tenant && p.Operator == q.Operator && p.KeyID == q.KeyID && p.Subject == q.Subject
}

// ValidTokenRole tells whether a token may carry the role: RolePublisher, RoleViewer, or a name of the tenant's own, a letter and up
// to 63 of a-z, 0-9, _ and -. The other roles come with an API key alone.
func ValidTokenRole(role string) bool {
	switch role {
	case RoleOwner, RoleAdmin, RoleSigner, RoleOperator, "":
		return false
	}
	if len(role) > 64 || role[0] < 'a' || role[0] > 'z' {
		return false
	}
	for i := range len(role) {
		c := role[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
