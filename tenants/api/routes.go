package api

import (
	"net/http"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

// Route is one method of one path, with its requirements.
type Route struct {
	Method string
	Path   string // as in openapi.yaml, with the same names in braces

	Public   bool // needs no credential
	Operator bool // for the operator's key only; others get 404
	// Object is what the Gate is asked about, with {channel} and {id} replaced. If it is "", the handler asks the Gate.
	Object    string
	Action    string // the action that the Gate is asked about, one of package access
	Tokens    bool   // accepts tokens as well as keys
	Suspended bool   // available to a suspended tenant
	Creates   bool   // accepts an Idempotency-Key
	Audit     string // the action in the audit log; "": the route changes nothing, or the change is not logged

	bodyless bool // the body may be missing
	ends     bool // deletes the tenant
	operator bool // also accepts the operator's key, for the operator's own objects
	handle   func(*API, *call) (answer, error)
}

// traits are the yes-or-no fields of a Route.
type traits int

const (
	public traits = 1 << iota
	operators
	orOperator
	tokens
	suspended
	creates
	bodyless
	ends
)

// row makes a Route. An object of "" leaves the question to the handler; an audit of "" keeps it out of the audit log.
func row(method, path, object, action string, t traits, audit string, handle func(*API, *call) (answer, error)) Route {
	return Route{
		Method: method, Path: path, Object: object, Action: action, Audit: audit, handle: handle,
		Public: t&public != 0, Operator: t&operators != 0, operator: t&orOperator != 0, Tokens: t&tokens != 0,
		Suspended: t&suspended != 0, Creates: t&creates != 0, bodyless: t&bodyless != 0, ends: t&ends != 0,
	}
}

// Routes returns all routes of the API.
func Routes() []Route { return table() }

func table() []Route {
	const get, post, put = http.MethodGet, http.MethodPost, http.MethodPut
	const patch, del = http.MethodPatch, http.MethodDelete
	const read, write, manage = access.Read, access.Write, access.Manage
	const (
		source     = "source:{id}"
		sources    = "source:*"
		endpoint   = "endpoint:{id}"
		endpoints  = "endpoint:*"
		delivery   = "delivery:{id}"
		deliveries = "delivery:*"
		channel    = "channel:{channel}"
		job        = "job:{id}"
	)
	// Anyone who has a right to some keys has it to a viewer's; the handlers ask about the role of the key itself.
	keys := access.Key(tenants.RoleViewer)
	return []Route{
		row(post, "/v1/signup", "", "", public, "tenant.signup", (*API).signup),

		row(get, "/v1/tenant", access.Tenant, read, suspended, "", (*API).getTenant),
		row(patch, "/v1/tenant", access.Tenant, write, 0, "tenant.update", (*API).patchTenant),
		row(del, "/v1/tenant", access.Tenant, manage, ends, "tenant.delete", (*API).deleteTenant),

		row(get, "/v1/tenants", "", "", operators, "", (*API).listTenants),
		row(post, "/v1/tenants", "", "", operators|creates, "tenant.create", (*API).createTenant),
		row(get, "/v1/tenants/{id}", "", "", operators, "", (*API).getAnyTenant),
		row(patch, "/v1/tenants/{id}", "", "", operators, "tenant.update", (*API).patchAnyTenant),
		row(del, "/v1/tenants/{id}", "", "", operators|ends, "tenant.delete", (*API).deleteAnyTenant),
		row(post, "/v1/tenants/{id}/suspend", "", "", operators|bodyless, "tenant.suspend", (*API).suspendTenant),
		row(post, "/v1/tenants/{id}/resume", "", "", operators|bodyless, "tenant.resume", (*API).resumeTenant),

		row(get, "/v1/keys", keys, read, 0, "", (*API).listKeys),
		row(post, "/v1/keys", keys, write, creates, "key.create", (*API).createKey),
		row(del, "/v1/keys/{id}", keys, manage, 0, "key.delete", (*API).deleteKey),
		row(post, "/v1/keys/{id}/rotate", keys, manage, creates|bodyless, "key.rotate", (*API).rotateKey),

		row(get, "/v1/providers", sources, read, 0, "", (*API).listProviders),
		row(get, "/v1/providers/{name}", sources, read, 0, "", (*API).getProvider),
		row(get, "/v1/sources", sources, read, 0, "", (*API).listSources),
		row(post, "/v1/sources", sources, write, creates, "source.create", (*API).createSource),
		row(get, "/v1/sources/{id}", source, read, 0, "", (*API).getSource),
		row(patch, "/v1/sources/{id}", source, write, 0, "source.update", (*API).patchSource),
		row(del, "/v1/sources/{id}", source, write, 0, "source.delete", (*API).deleteSource),
		row(post, "/v1/sources/{id}/secrets", source, write, creates|bodyless, "source.secret.create",
			(*API).addSecret),
		row(del, "/v1/sources/{id}/secrets/{secret}", source, write, 0, "source.secret.delete", (*API).removeSecret),
		row(post, "/v1/sources/{id}/rotate-url", source, write, creates|bodyless, "source.url.rotate",
			(*API).rotateURL),
		row(post, "/v1/sources/{id}/test", source, read, 0, "", (*API).testSource),

		row(get, "/v1/endpoints", endpoints, read, 0, "", (*API).listEndpoints),
		row(post, "/v1/endpoints", endpoints, write, creates, "endpoint.create", (*API).createEndpoint),
		row(get, "/v1/endpoints/{id}", endpoint, read, 0, "", (*API).getEndpoint),
		row(patch, "/v1/endpoints/{id}", endpoint, write, 0, "endpoint.update", (*API).patchEndpoint),
		row(del, "/v1/endpoints/{id}", endpoint, write, 0, "endpoint.delete", (*API).deleteEndpoint),
		row(post, "/v1/endpoints/{id}/enable", endpoint, write, bodyless, "endpoint.enable", (*API).enableEndpoint),
		row(post, "/v1/endpoints/{id}/disable", endpoint, write, bodyless, "endpoint.disable", (*API).disableEndpoint),
		row(post, "/v1/endpoints/{id}/rotate-secret", endpoint, manage, creates|bodyless, "endpoint.secret.rotate",
			(*API).rotateEndpointSecret),
		row(get, "/v1/endpoints/{id}/secret", endpoint, manage, 0, "", (*API).getEndpointSecrets),
		row(post, "/v1/endpoints/{id}/test", endpoint, write, bodyless, "", (*API).testEndpoint),
		row(post, "/v1/endpoints/{id}/verify", endpoint, write, bodyless, "endpoint.verify", (*API).verifyEndpoint),
		row(post, "/v1/endpoints/{id}/recover", endpoint, write, 0, "endpoint.recover", (*API).recoverEndpoint),

		row(get, "/v1/deliveries", deliveries, read, 0, "", (*API).listDeliveries),
		row(get, "/v1/deliveries/{id}", delivery, read, 0, "", (*API).getDelivery),
		row(post, "/v1/deliveries/{id}/retry", delivery, write, bodyless, "delivery.retry", (*API).retryDelivery),
		row(post, "/v1/deliveries/{id}/cancel", delivery, write, bodyless, "delivery.cancel", (*API).cancelDelivery),
		row(get, "/v1/dead-letters", deliveries, read, 0, "", (*API).listDead),
		row(post, "/v1/dead-letters/redrive", deliveries, write, creates|bodyless, "delivery.redrive", (*API).redrive),
		row(post, "/v1/replays", deliveries, write, creates, "delivery.replay", (*API).startReplay),
		row(get, "/v1/replays/{id}", deliveries, read, 0, "", (*API).getReplay),

		row(get, "/v1/proxies", access.Proxy("*"), read, 0, "", (*API).listProxies),
		row(post, "/v1/proxies", access.Proxy("*"), write, creates, "proxy.create", (*API).createProxy),
		row(get, "/v1/proxies/{id}", access.Proxy("{id}"), read, 0, "", (*API).getProxy),
		row(patch, "/v1/proxies/{id}", access.Proxy("{id}"), write, 0, "proxy.update", (*API).patchProxy),
		row(del, "/v1/proxies/{id}", access.Proxy("{id}"), write, 0, "proxy.delete", (*API).deleteProxy),

		row(get, "/v1/channels", access.Channels, read, tokens, "", (*API).listChannels),
		row(get, "/v1/channels/{channel}", channel, read, tokens, "", (*API).getChannel),
		row(del, "/v1/channels/{channel}", channel, manage, 0, "channel.purge", (*API).purgeChannel),
		row(get, "/v1/channels/{channel}/export", channel, read, 0, "", (*API).exportChannel),
		row(get, "/v1/channels/{channel}/events", channel, read, tokens, "", (*API).listEvents),
		row(post, "/v1/channels/{channel}/events", channel, access.Publish, tokens|creates, "", (*API).publish),
		row(get, "/v1/events", access.Channels, read, 0, "", (*API).listAllEvents),
		row(get, "/v1/events/{id}", "", "", tokens, "", (*API).getEvent),
		row(get, "/v1/events/{id}/payload", "", "", tokens, "", (*API).getPayload),
		row(get, "/v1/events/{id}/trace", access.Trace, read, 0, "", (*API).traceEvent),
		row(post, "/v1/events/{id}/replay", "", "", creates, "event.replay", (*API).replayEvent),

		row(post, "/v1/tokens", access.Token, write, creates, "", (*API).createToken),
		row(post, "/v1/tokens/revoke", access.Token, write, 0, "token.revoke", (*API).revokeToken),
		row(get, "/v1/connections", access.Connection("*"), read, 0, "", (*API).listConnections),
		row(del, "/v1/connections/{id}", access.Connection("{id}"), manage, 0, "connection.close",
			(*API).closeConnection),
		row(post, "/v1/connections/{id}/renew", "", "", tokens|bodyless, "", (*API).renewConnection),

		row(get, "/v1/jobs", access.Job("*"), read, 0, "", (*API).listJobs),
		row(post, "/v1/jobs", access.Job("*"), write, creates|bodyless, "job.create", (*API).createJob),
		row(post, "/v1/jobs/run", access.Job("*"), write, creates, "job.run", (*API).runJob),
		row(get, "/v1/jobs/{id}", job, read, 0, "", (*API).getJob),
		row(post, "/v1/jobs/{id}/progress", job, write, 0, "", (*API).progressJob),
		row(post, "/v1/jobs/{id}/log", job, write, creates, "", (*API).logJob),
		row(post, "/v1/jobs/{id}/complete", job, write, bodyless, "", (*API).completeJob),
		row(post, "/v1/jobs/{id}/fail", job, write, 0, "", (*API).failJob),
		row(post, "/v1/jobs/{id}/cancel", job, write, bodyless, "job.cancel", (*API).cancelJob),
		row(post, "/v1/reports/{token}", "", "", public, "", (*API).reportByToken),

		row(get, "/v1/policies", access.Policy, read, 0, "", (*API).getPolicies),
		row(put, "/v1/policies", access.Policy, write, 0, "policy.replace", (*API).putPolicies),
		row(post, "/v1/policies/check", access.Policy, read, 0, "", (*API).checkPolicies),
		row(get, "/v1/limits", access.Limits, read, 0, "", (*API).getLimits),
		row(get, "/v1/usage", access.Usage, read, 0, "", (*API).getUsage),
		row(get, "/v1/trace", access.Trace, read, 0, "", (*API).getTracing),
		row(put, "/v1/trace", access.Trace, write, 0, "trace.set", (*API).putTracing),
		row(post, "/v1/trace/why", access.Trace, read, 0, "", (*API).whyNot),
		row(get, "/v1/audit-log", access.Audit, read, orOperator, "", (*API).listAudit),
	}
}
