package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

// ruleView is a row of a policy, in requests and answers: a right, a granted role or a hidden field.
type ruleView struct {
	Subject string `json:"subject"`
	Role    string `json:"role,omitempty"`
	Object  string `json:"object,omitempty"`
	Action  string `json:"action,omitempty"`
	Effect  string `json:"effect,omitempty"`
	Channel string `json:"channel,omitempty"`
}

// policyView is a tenant's policy. Builtin has the rows that all tenants share and cannot change.
type policyView struct {
	Version int64      `json:"version"`
	Rows    []ruleView `json:"rows"`
	Builtin []ruleView `json:"builtin"`
}

func (v policyView) etag() string { return `"` + strconv.FormatInt(v.Version, 10) + `"` }

func viewPolicy(rules []access.Rule, version int64) policyView {
	return policyView{version, viewRules(rules), viewRules(access.Builtin())}
}

func viewRules(rules []access.Rule) []ruleView {
	views := make([]ruleView, 0, len(rules))
	for _, r := range rules {
		views = append(views, ruleView(r))
	}
	return views
}

func (a *API) getPolicies(c *call) (answer, error) {
	rules, version, err := a.Policies.Policies(c.ctx, c.who.Tenant)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewPolicy(rules, version)}, nil
}

// putPolicies replaces all rows. The request must name the version that it is based on in If-Match, so that
// concurrent edits do not overwrite each other unnoticed; "*" matches any version.
func (a *API) putPolicies(c *call) (answer, error) {
	expected, err := ifMatch(c.r)
	if err != nil {
		return answer{}, err
	}
	rules, err := rulesOf(c.fields)
	if err != nil {
		return answer{}, err
	}
	if err := access.Check(rules); err != nil {
		return answer{}, err
	}
	const tries = 5
	for try := 1; ; try++ {
		_, now, err := a.Policies.Policies(c.ctx, c.who.Tenant)
		if err != nil {
			return answer{}, err
		}
		if !expected.match(policyView{Version: now}.etag()) {
			return answer{}, tenants.Errorf(tenants.PreconditionFailed, "policy_changed",
				"the policy is at version %d; read it and try again", now)
		}
		version, err := a.Policies.Set(c.ctx, c.who.Tenant, rules, now)
		if tenants.CodeOf(err) == "policy_changed" && try < tries {
			continue // another request was faster: compare If-Match with its version
		}
		a.Gate.Forget(c.who.Tenant) // even after an error, since the write may have succeeded
		if err != nil {
			return answer{}, err
		}
		return answer{http.StatusOK, viewPolicy(rules, version)}, nil
	}
}

// rulesOf reads the rows of a request.
func rulesOf(f *fields) ([]access.Rule, error) {
	f.require("rows")
	f.readOnly("version", "builtin")
	list, err := f.objects("rows", access.MaxRules)
	if err != nil {
		return nil, err
	}
	rules := make([]access.Rule, 0, len(list))
	for _, row := range list {
		row.require("subject")
		if row.has("domain") {
			row.refuse("domain", "must not be given; rows always apply to the tenant's own account")
		}
		rules = append(rules, access.Rule{
			Subject: row.text("subject"), Role: row.text("role"), Object: row.text("object"),
			Action: row.text("action"),
			Effect: row.text("effect"), Channel: row.text("channel"),
		})
		row.refuseUnknown()
	}
	return rules, f.err()
}

// preconditions are the entity tags of an If-Match header (RFC 9110 section 13.1.1), which are compared strongly.
type preconditions struct {
	any  bool
	tags []string
}

func (p preconditions) match(tag string) bool { return p.any || slices.Contains(p.tags, tag) }

// ifMatch reads the If-Match header. Errors: PreconditionRequired if it is missing (RFC 6585 section 3), Invalid
// invalid_if_match.
func ifMatch(r *http.Request) (p preconditions, err error) {
	values := r.Header["If-Match"]
	if len(values) == 0 {
		return p, tenants.Errorf(tenants.PreconditionRequired, "precondition_required",
			"the request must name the version that it replaces in If-Match: the ETag of the answer that it is "+
				"based on, or *")
	}
	if len(values) == 1 && strings.TrimSpace(values[0]) == "*" {
		return preconditions{any: true}, nil
	}
	for tag := range strings.SplitSeq(strings.Join(values, ","), ",") {
		tag = strings.TrimSpace(tag)
		opaque, _ := strings.CutPrefix(tag, "W/")
		if len(opaque) < 2 || opaque[0] != '"' || opaque[len(opaque)-1] != '"' ||
			strings.ContainsAny(opaque[1:len(opaque)-1], "\" \t") {
			return p, tenants.Errorf(tenants.Invalid, "invalid_if_match",
				"If-Match must be an ETag from an answer, with its quotes, or *")
		}
		p.tags = append(p.tags, tag)
	}
	return p, nil
}
