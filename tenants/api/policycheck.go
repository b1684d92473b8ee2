package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/token"
)

// checkView says whether a subject may do something, and why. Row is the row that decided. Grants are the indexes of
// the rows that grant the subject the role that the deciding row names.
type checkView struct {
	Allowed  bool          `json:"allowed"`
	Reason   string        `json:"reason"`
	Row      *decidingView `json:"row"`
	Grants   []int         `json:"grants"`
	Hidden   []string      `json:"hidden_fields"`
	Version  int64         `json:"version"`
	Explains string        `json:"detail"`
}

type decidingView struct {
	Index int `json:"index"`
	ruleView
}

// checkPolicies answers for any holder of a credential of the tenant: a key of a role, or a token of a subject.
func (a *API) checkPolicies(c *call) (answer, error) {
	c.fields.require("subject", "object", "action")
	who := tenants.Principal{Tenant: c.who.Tenant, Roles: c.fields.texts("roles", token.MaxRoles),
		Channels: c.fields.texts("channels", token.MaxChannels)}
	subject, object, action := c.fields.text("subject"), c.fields.text("object"), c.fields.text("action")
	c.checkSubject(&who, subject)
	if c.fields.has("object") && !access.ValidTarget(object) {
		c.fields.refuse("object", "must be channel:NAME, key:NAME, source:NAME, event:NAME, connection:NAME, "+
			"channels, token, tenant, policy, limits, usage, audit or trace")
	}
	if c.fields.has("action") && !access.ValidAction(action) {
		c.fields.refuse("action", "must be read, write, publish, subscribe or manage")
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	x, err := a.Gate.Explain(c.ctx, who, object, action)
	if err != nil {
		return answer{}, err
	}
	v := viewCheck(x)
	if channel, ok := strings.CutPrefix(object, access.Channel("")); ok && x.Allowed &&
		(action == access.Read || action == access.Subscribe) {
		v.Hidden = append(v.Hidden, x.Hidden.Fields(channel)...)
	}
	return answer{http.StatusOK, v}, nil
}

// viewCheck returns the decision without the hidden fields.
func viewCheck(x access.Explanation) checkView {
	v := checkView{Allowed: x.Allowed, Reason: string(x.Reason), Grants: x.Grants, Hidden: []string{},
		Version: x.Version, Explains: explanation(x)}
	if x.Row >= 0 {
		v.Row = &decidingView{x.Row, ruleView(x.Rule)}
	}
	if v.Grants == nil {
		v.Grants = []int{}
	}
	return v
}

// checkSubject completes who. "role:NAME" is a key or a token of that role. "user:NAME", or a name without a prefix,
// is a token's subject, which has the role viewer if no roles are given, as a token has.
func (c *call) checkSubject(who *tenants.Principal, subject string) {
	if !c.fields.has("subject") {
		return
	}
	const bad = "must be role:NAME, user:SUBJECT, or the subject of a token"
	role, isRole := strings.CutPrefix(subject, "role:")
	if isRole {
		who.Roles = append(who.Roles, role)
	} else if who.Subject = strings.TrimPrefix(subject, "user:"); !c.fields.has("roles") {
		who.Roles = []string{tenants.RoleViewer}
	}
	if !isRole && (who.Subject == "" || len(who.Subject) > token.MaxSubject) {
		c.fields.refuse("subject", bad)
	}
	for _, r := range who.Roles {
		switch {
		case account.ValidTokenRole(r) || isRole && (r == tenants.RoleOwner || r == tenants.RoleAdmin ||
			r == tenants.RoleSigner):
		case isRole && r == role:
			c.fields.refuse("subject", bad)
		default:
			c.fields.refuse("roles",
				"must list roles that a token can have: viewer, publisher, or custom names of a-z, 0-9, _ and -")
		}
	}
	for _, p := range who.Channels {
		if !tenants.ValidChannelPattern(p) {
			c.fields.refuse("channels", "must list channel names, prefixes such as orders.*, or *")
		}
	}
}

// explanation returns the reason of the decision as a sentence.
func explanation(x access.Explanation) string {
	does := "denies"
	if x.Allowed {
		does = "allows"
	}
	switch x.Reason {
	case access.ByRow:
		return "row " + strconv.Itoa(x.Row) + " of the policy " + does + " it"
	case access.ByBuiltin:
		return "row " + strconv.Itoa(x.Row) + " of the built-in rows " + does + " it"
	case access.ByChannels:
		return "the token's channels do not include the object, so no row can allow it"
	}
	return "no row applies, and everything that no row allows is denied"
}
