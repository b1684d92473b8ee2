package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/token"
)

// checkView says whether somebody may do something, and what decided. A row of the tenant's has its place among them; Grants are
// the places of the rows by which the subject came to the role that the deciding row names.
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

// checkPolicies answers for anybody that the tenant's credentials can be: the holder of a key of a role, or a token's subject.
func (a *API) checkPolicies(c *call) (answer, error) {
	c.fields.require("subject", "object", "action")
	who := tenants.Principal{Tenant: c.who.Tenant, Roles: c.fields.texts("roles", token.MaxRoles), Channels: c.fields.texts("channels", token.MaxChannels)}
	subject, object, action := c.fields.text("subject"), c.fields.text("object"), c.fields.text("action")
	c.checkSubject(&who, subject)
	if c.fields.has("object") && !access.ValidTarget(object) {
		c.fields.refuse("object", "must be channel:NAME, channels, token, tenant, policy, limits, usage, audit, trace, or a name after key:, source:, event: or connection:")
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
	if channel, ok := strings.CutPrefix(object, access.Channel("")); ok && x.Allowed && (action == access.Read || action == access.Subscribe) {
		v.Hidden = append(v.Hidden, x.Hidden.Fields(channel)...)
	}
	return answer{http.StatusOK, v}, nil
}

// viewCheck is the decision, without what is hidden.
func viewCheck(x access.Explanation) checkView {
	v := checkView{Allowed: x.Allowed, Reason: string(x.Reason), Grants: x.Grants, Hidden: []string{}, Version: x.Version, Explains: explained(x)}
	if x.Row >= 0 {
		v.Row = &decidingView{x.Row, ruleView(x.Rule)}
	}
	if v.Grants == nil {
		v.Grants = []int{}
	}
	return v
}

// checkSubject completes who: "role:NAME" is a key or a token of that role; "user:NAME", or a name without a kind, is a token's
// subject, which has the role viewer where no roles are given, as a token has.
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
		case tenants.ValidTokenRole(r) || isRole && (r == tenants.RoleOwner || r == tenants.RoleAdmin || r == tenants.RoleSigner):
		case isRole && r == role:
			c.fields.refuse("subject", bad)
		default:
			c.fields.refuse("roles", "must be roles that a token can have: viewer, publisher, or names of your own in a-z, 0-9, _ and -")
		}
	}
	for _, p := range who.Channels {
		if !tenants.ValidChannelPattern(p) {
			c.fields.refuse("channels", "must be channels' names, or names' first segments with .* behind, or *")
		}
	}
}

// explained says it in a sentence.
func explained(x access.Explanation) string {
	does := "denies"
	if x.Allowed {
		does = "allows"
	}
	switch x.Reason {
	case access.ByRow:
		return "Row " + strconv.Itoa(x.Row) + " of the policy " + does + " it."
	case access.ByBuiltin:
		return "Row " + strconv.Itoa(x.Row) + " of the built-in rows " + does + " it."
	case access.ByChannels:
		return "The token's channels leave the object out, whatever rows say."
	}
	return "No row speaks of it, and what no row allows is denied."
}
