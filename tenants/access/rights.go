package access

import "github.com/hookcast/hookcast/tenants"

// anyAction stands for every action in the rows below. Requests and tenants' own rows cannot name it.
const anyAction = "*"

// ownChannels are the channels that Hookcast itself publishes to.
const ownChannels = channelKind + "hookcast.*"

// rights returns the rows that every tenant has.
func rights() []Rule {
	const (
		owner     = rolePrefix + tenants.RoleOwner
		admin     = rolePrefix + tenants.RoleAdmin
		publisher = rolePrefix + tenants.RolePublisher
		viewer    = rolePrefix + tenants.RoleViewer
	)
	rows := []Rule{
		{Subject: owner, Object: "*", Action: anyAction, Effect: Allow},

		{Subject: viewer, Object: "channel:*", Action: Subscribe, Effect: Allow},
		{Subject: viewer, Object: "channel:*", Action: Read, Effect: Allow},
		{Subject: viewer, Object: Channels, Action: Read, Effect: Allow},

		{Subject: publisher, Object: "channel:*", Action: Publish, Effect: Allow},
		{Subject: publisher, Object: Channels, Action: Read, Effect: Allow},

		{Subject: admin, Object: Tenant, Action: Read, Effect: Allow},
		{Subject: admin, Object: Tenant, Action: Write, Effect: Allow},
		{Subject: admin, Object: Key("*"), Action: anyAction, Effect: Allow},
		{Subject: admin, Object: Key(tenants.RoleOwner), Action: anyAction, Effect: Deny},
	}
	for _, object := range []string{
		"channel:*", Channels, "source:*", "event:*", Connection("*"), "endpoint:*", "delivery:*", "proxy:*", Job("*"),
		Token, Policy, Limits, Usage, Audit, Trace,
	} {
		rows = append(rows, Rule{Subject: admin, Object: object, Action: anyAction, Effect: Allow})
	}
	// Messages of Hookcast to a tenant about its account are not for its end users, whose tokens have the role viewer
	// by default.
	rows = append(rows, Rule{Subject: viewer, Object: ownChannels, Action: anyAction, Effect: Deny})
	return append(rows,
		Rule{Subject: publisher, Object: Job("*"), Action: Read, Effect: Allow},
		Rule{Subject: publisher, Object: Job("*"), Action: Write, Effect: Allow})
}
