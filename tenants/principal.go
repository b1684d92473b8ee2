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
	Subject  string   // the token's subject, the tenant's own name for an end user; "" with an API key
	Roles    []string
	Channels []string // patterns that narrow what roles give; nil: not narrowed
	Issued   time.Time
	Expires  time.Time // zero: never
	Operator bool
}
