package tenants

import "time"

// Principal is the party that a request acts for, after its credential was verified. It is shared between goroutines:
// its slices must not be changed.
type Principal struct {
	Tenant   TenantID // System for an operator
	KeyID    string   // the API key's id; "" with a token
	TokenID  string   // the token's id; "" with an API key
	KID      string   // the id of the token's signer; "" with an API key
	Subject  string   // the token's subject, the tenant's own name for an end user; "" with an API key
	Roles    []string
	Channels []string // patterns that narrow the rights of the roles; nil: not narrowed
	Issued   time.Time
	Expires  time.Time // zero: never
	Operator bool
}

// SameAs reports whether p and q act for the same end user, whatever their tokens, or hold the same API key.
func (p Principal) SameAs(q Principal) bool {
	return p.Tenant == q.Tenant && p.Operator == q.Operator && p.KeyID == q.KeyID && p.Subject == q.Subject
}

// Roles of API keys. Tokens may carry RolePublisher, RoleViewer and roles that the tenant names itself.
const (
	RoleOwner     = "owner"
	RoleAdmin     = "admin"
	RolePublisher = "publisher"
	RoleViewer    = "viewer"
	RoleSigner    = "signer"   // signs tokens in the tenant's own backend; it authenticates no request
	RoleOperator  = "operator" // runs the deployment
)
