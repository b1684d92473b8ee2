// Package access decides who may do what. It is the only package that uses Casbin.
//
// The model is RBAC with the tenant as the domain, and denials override (https://casbin.org/docs/rbac-with-domains,
// https://casbin.org/docs/effector). A subject is a role ("role:viewer") or the subject of a token ("user:alice"), so
// no end user can have the name of a role. An object is a kind and a name ("channel:orders.42"). The set of actions
// is fixed and small.
//
// Every tenant has the rows of rights.go, and can add rows of its own for its own domain, each field in a strict
// grammar (rule.go). The model has no regular expressions and no eval, and rows cannot introduce any.
//
// The objects and their default rights; the owner has every right of the tenant:
//
//	channel:<name>      viewer: subscribe, read; publisher: publish; admin: everything
//	channel:hookcast.*  no viewer has these
//	channels            the list of channels: viewer, publisher: read; admin: everything
//	source:* event:* connection:* proxy:* token policy limits usage audit trace
//	                    admin: everything; to run a proxy and hear what it brings is to subscribe to it
//	job:<id>            publisher: read, write; admin: everything
//	tenant              admin: read, write; deleting it is manage, and the owner's
//	key:<role>          keys of that role, key:* their list: admin: everything but key:owner
//	operator:<what>     the operator alone, who has nothing else
//
// A tenant's row can also hide a field of payloads from a role ("field:customer.email"). This does not affect who may
// read a channel, only what they see of it (Gate.Hidden).
package access

import (
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// The actions.
const (
	Read      = "read"
	Write     = "write"
	Publish   = "publish"
	Subscribe = "subscribe"
	Manage    = "manage"
)

// Objects without a name, and the kinds of those with one.
const (
	Channels = "channels" // the list of channels
	Tenant   = "tenant"
	Token    = "token"
	Policy   = "policy"
	Limits   = "limits"
	Usage    = "usage"
	Audit    = "audit"
	Trace    = "trace" // the recorded steps of events and connections

	channelKind    = "channel:"
	connectionKind = "connection:"
	jobKind        = "job:"
	keyKind        = "key:"
	proxyKind      = "proxy:"
	operatorKind   = "operator:"
)

// Channel returns the object of a channel; "*" means all of them.
func Channel(name string) string { return channelKind + name }

// Key returns the object of keys with a role.
func Key(role string) string { return keyKind + role }

// Connection returns the object of a live connection; "*" means all of them.
func Connection(id string) string { return connectionKind + id }

// Proxy returns the object of a proxy; "*" means all of them.
func Proxy(id string) string { return proxyKind + id }

// Job returns the object of a job; "*" means all of them.
func Job(id string) string { return jobKind + id }

// Operator returns an object that only the operator has rights to.
func Operator(what string) string { return operatorKind + what }

// ValidAction reports whether action is one of the actions.
func ValidAction(action string) bool {
	switch action {
	case Read, Write, Publish, Subscribe, Manage:
		return true
	}
	return false
}

// ValidTarget reports whether the Gate can be asked about the object: the objects of rows, with names instead of
// patterns, and those that rows cannot name. "*" after a kind other than channel is the list of that kind.
func ValidTarget(object string) bool {
	switch object {
	case Channels, Tenant, Token, Policy, Limits, Usage, Audit, Trace:
		return true
	}
	if channel, ok := strings.CutPrefix(object, channelKind); ok {
		return tenants.ValidChannel(channel)
	}
	kind, name, ok := strings.Cut(object, ":")
	switch kind {
	case "key", "source", "event", "connection", "endpoint", "delivery", "proxy", "job":
		return ok && (name == "*" || validID(name))
	}
	return false
}

// narrowed reports whether the principal's own channels exclude the object, whatever its roles allow. The list of
// channels is excluded, because it contains other names.
func narrowed(p tenants.Principal, object string) bool {
	if p.Channels == nil {
		return false
	}
	name, ok := strings.CutPrefix(object, channelKind)
	if !ok {
		return object == Channels
	}
	for _, pattern := range p.Channels {
		if tenants.ChannelMatches(pattern, name) {
			return false
		}
	}
	return true
}
