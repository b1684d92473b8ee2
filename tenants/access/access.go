// Package access decides who may do what. It is the only package that knows Casbin.
//
// The model is RBAC with the tenant as the domain, and denials override (https://casbin.org/docs/rbac-with-domains,
// https://casbin.org/docs/effector). A subject is a role ("role:viewer") or the subject of a token ("user:alice"), so that
// no end user can be named into a role. An object is a kind and a name ("channel:orders.42"). Actions are few and fixed.
//
// Every tenant has the rows of rights.go; it can add rows of its own for its own domain, each field held to a strict
// grammar (rule.go). There is no regular expression and no eval in the model, and none can be brought in by a row.
//
// The objects, and who has them by default; the owner has everything of the tenant:
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
// A tenant's row may also hide a field of payloads from a role ("field:customer.email"): that decides nothing about who may read a
// channel, and everything about what they see of it (Gate.Hidden).
package access

import (
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// Actions.
const (
	Read      = "read"
	Write     = "write"
	Publish   = "publish"
	Subscribe = "subscribe"
	Manage    = "manage"
)

// Objects that have no name besides their kind, and the kinds of those that have.
const (
	Channels = "channels" // the list of them
	Tenant   = "tenant"
	Token    = "token"
	Policy   = "policy"
	Limits   = "limits"
	Usage    = "usage"
	Audit    = "audit"
	Trace    = "trace" // what is recorded of events' ways, and of who was connected

	channelKind    = "channel:"
	connectionKind = "connection:"
	jobKind        = "job:"
	keyKind        = "key:"
	proxyKind      = "proxy:"
	operatorKind   = "operator:"
)

// Channel is the object of that channel; of all of them with "*".
func Channel(name string) string { return channelKind + name }

// Key is the object of keys of that role.
func Key(role string) string { return keyKind + role }

// Connection is the object of the live connection of that id; of all of them with "*".
func Connection(id string) string { return connectionKind + id }

// Proxy is the object of the proxy of that id; of all of them with "*".
func Proxy(id string) string { return proxyKind + id }

// Job is the object of the job of that id; of all of them with "*".
func Job(id string) string { return jobKind + id }

// Operator is an object of the operator's.
func Operator(what string) string { return operatorKind + what }

// ValidAction tells whether there is such an action.
func ValidAction(action string) bool {
	switch action {
	case Read, Write, Publish, Subscribe, Manage:
		return true
	}
	return false
}

// ValidTarget tells whether the Gate can be asked about the object: what rows speak of with names in the place of patterns, and what
// they cannot speak of besides. "*" behind a kind other than channel is the list of what is of that kind.
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

// narrowed tells whether the principal's own channels leave the object out, whatever its roles give. The list of channels
// holds names beyond them.
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
