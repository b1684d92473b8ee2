package api

import (
	"net/http"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

// Route is one method of one path, and what it asks for.
type Route struct {
	Method string
	Path   string // as in openapi.yaml, which has the same names in braces

	Public    bool   // takes no credential
	Operator  bool   // the operator's key alone; to anybody else there is no such path
	Object    string // what the Gate is asked about, {channel} and {id} filled in; "": the handler asks, once it knows
	Action    string // one of package access
	Tokens    bool   // takes tokens besides keys
	Suspended bool   // answers a suspended tenant
	Creates   bool   // takes an Idempotency-Key
	Audit     string // what the audit log calls the change that it makes; "": it makes none, or one that the log does not keep

	bodyless bool // a POST or PATCH that may come without a body
	ends     bool // the tenant that it is about is gone behind it
	operator bool // the operator may ask, too, about what is the operator's own
	handle   func(*API, *call) (answer, error)
}

// Routes lists everything that the API serves.
func Routes() []Route { return table() }

func table() []Route {
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
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
	// Who has to do with keys at all has to do with a viewer's; the handlers ask about the role of the key in question.
	keys := access.Key(tenants.RoleViewer)
	return []Route{
		{Method: post, Path: "/v1/signup", Public: true, Audit: "tenant.signup", handle: (*API).signup},

		{Method: get, Path: "/v1/tenant", Object: access.Tenant, Action: access.Read, Suspended: true, handle: (*API).getTenant},
		{Method: patch, Path: "/v1/tenant", Object: access.Tenant, Action: access.Write, Audit: "tenant.update", handle: (*API).patchTenant},
		{Method: del, Path: "/v1/tenant", Object: access.Tenant, Action: access.Manage, Audit: "tenant.delete", ends: true, handle: (*API).deleteTenant},

		{Method: get, Path: "/v1/tenants", Operator: true, handle: (*API).listTenants},
		{Method: post, Path: "/v1/tenants", Operator: true, Creates: true, Audit: "tenant.create", handle: (*API).createTenant},
		{Method: get, Path: "/v1/tenants/{id}", Operator: true, handle: (*API).getAnyTenant},
		{Method: patch, Path: "/v1/tenants/{id}", Operator: true, Audit: "tenant.update", handle: (*API).patchAnyTenant},
		{Method: del, Path: "/v1/tenants/{id}", Operator: true, Audit: "tenant.delete", ends: true, handle: (*API).deleteAnyTenant},
		{Method: post, Path: "/v1/tenants/{id}/suspend", Operator: true, Audit: "tenant.suspend", bodyless: true, handle: (*API).suspendTenant},
		{Method: post, Path: "/v1/tenants/{id}/resume", Operator: true, Audit: "tenant.resume", bodyless: true, handle: (*API).resumeTenant},

		{Method: get, Path: "/v1/keys", Object: keys, Action: access.Read, handle: (*API).listKeys},
		{Method: post, Path: "/v1/keys", Object: keys, Action: access.Write, Creates: true, Audit: "key.create", handle: (*API).createKey},
		{Method: del, Path: "/v1/keys/{id}", Object: keys, Action: access.Manage, Audit: "key.delete", handle: (*API).deleteKey},
		{Method: post, Path: "/v1/keys/{id}/rotate", Object: keys, Action: access.Manage, Creates: true, Audit: "key.rotate", bodyless: true, handle: (*API).rotateKey},

		{Method: get, Path: "/v1/providers", Object: sources, Action: access.Read, handle: (*API).listProviders},
		{Method: get, Path: "/v1/providers/{name}", Object: sources, Action: access.Read, handle: (*API).getProvider},
		{Method: get, Path: "/v1/sources", Object: sources, Action: access.Read, handle: (*API).listSources},
		{Method: post, Path: "/v1/sources", Object: sources, Action: access.Write, Creates: true, Audit: "source.create", handle: (*API).createSource},
		{Method: get, Path: "/v1/sources/{id}", Object: source, Action: access.Read, handle: (*API).getSource},
		{Method: patch, Path: "/v1/sources/{id}", Object: source, Action: access.Write, Audit: "source.update", handle: (*API).patchSource},
		{Method: del, Path: "/v1/sources/{id}", Object: source, Action: access.Write, Audit: "source.delete", handle: (*API).deleteSource},
		{Method: post, Path: "/v1/sources/{id}/secrets", Object: source, Action: access.Write, Creates: true, Audit: "source.secret.create", bodyless: true, handle: (*API).addSecret},
		{Method: del, Path: "/v1/sources/{id}/secrets/{secret}", Object: source, Action: access.Write, Audit: "source.secret.delete", handle: (*API).removeSecret},
		{Method: post, Path: "/v1/sources/{id}/rotate-url", Object: source, Action: access.Write, Creates: true, Audit: "source.url.rotate", bodyless: true, handle: (*API).rotateURL},
		{Method: post, Path: "/v1/sources/{id}/test", Object: source, Action: access.Read, handle: (*API).testSource},

		{Method: get, Path: "/v1/endpoints", Object: endpoints, Action: access.Read, handle: (*API).listEndpoints},
		{Method: post, Path: "/v1/endpoints", Object: endpoints, Action: access.Write, Creates: true, Audit: "endpoint.create", handle: (*API).createEndpoint},
		{Method: get, Path: "/v1/endpoints/{id}", Object: endpoint, Action: access.Read, handle: (*API).getEndpoint},
		{Method: patch, Path: "/v1/endpoints/{id}", Object: endpoint, Action: access.Write, Audit: "endpoint.update", handle: (*API).patchEndpoint},
		{Method: del, Path: "/v1/endpoints/{id}", Object: endpoint, Action: access.Write, Audit: "endpoint.delete", handle: (*API).deleteEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/enable", Object: endpoint, Action: access.Write, bodyless: true, Audit: "endpoint.enable", handle: (*API).enableEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/disable", Object: endpoint, Action: access.Write, bodyless: true, Audit: "endpoint.disable", handle: (*API).disableEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/rotate-secret", Object: endpoint, Action: access.Manage, Creates: true, bodyless: true, Audit: "endpoint.secret.rotate", handle: (*API).rotateEndpointSecret},
		{Method: get, Path: "/v1/endpoints/{id}/secret", Object: endpoint, Action: access.Manage, handle: (*API).getEndpointSecrets},
		{Method: post, Path: "/v1/endpoints/{id}/test", Object: endpoint, Action: access.Write, bodyless: true, handle: (*API).testEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/verify", Object: endpoint, Action: access.Write, bodyless: true, Audit: "endpoint.verify", handle: (*API).verifyEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/recover", Object: endpoint, Action: access.Write, Audit: "endpoint.recover", handle: (*API).recoverEndpoint},

		{Method: get, Path: "/v1/deliveries", Object: deliveries, Action: access.Read, handle: (*API).listDeliveries},
		{Method: get, Path: "/v1/deliveries/{id}", Object: delivery, Action: access.Read, handle: (*API).getDelivery},
		{Method: post, Path: "/v1/deliveries/{id}/retry", Object: delivery, Action: access.Write, bodyless: true, Audit: "delivery.retry", handle: (*API).retryDelivery},
		{Method: post, Path: "/v1/deliveries/{id}/cancel", Object: delivery, Action: access.Write, bodyless: true, Audit: "delivery.cancel", handle: (*API).cancelDelivery},
		{Method: get, Path: "/v1/dead-letters", Object: deliveries, Action: access.Read, handle: (*API).listDead},
		{Method: post, Path: "/v1/dead-letters/redrive", Object: deliveries, Action: access.Write, Creates: true, bodyless: true, Audit: "delivery.redrive", handle: (*API).redrive},
		{Method: post, Path: "/v1/replays", Object: deliveries, Action: access.Write, Creates: true, Audit: "delivery.replay", handle: (*API).startReplay},
		{Method: get, Path: "/v1/replays/{id}", Object: deliveries, Action: access.Read, handle: (*API).getReplay},

		{Method: get, Path: "/v1/proxies", Object: access.Proxy("*"), Action: access.Read, handle: (*API).listProxies},
		{Method: post, Path: "/v1/proxies", Object: access.Proxy("*"), Action: access.Write, Creates: true, Audit: "proxy.create", handle: (*API).createProxy},
		{Method: get, Path: "/v1/proxies/{id}", Object: access.Proxy("{id}"), Action: access.Read, handle: (*API).getProxy},
		{Method: patch, Path: "/v1/proxies/{id}", Object: access.Proxy("{id}"), Action: access.Write, Audit: "proxy.update", handle: (*API).patchProxy},
		{Method: del, Path: "/v1/proxies/{id}", Object: access.Proxy("{id}"), Action: access.Write, Audit: "proxy.delete", handle: (*API).deleteProxy},

		{Method: get, Path: "/v1/channels", Object: access.Channels, Action: access.Read, Tokens: true, handle: (*API).listChannels},
		{Method: get, Path: "/v1/channels/{channel}", Object: channel, Action: access.Read, Tokens: true, handle: (*API).getChannel},
		{Method: del, Path: "/v1/channels/{channel}", Object: channel, Action: access.Manage, Audit: "channel.purge", handle: (*API).purgeChannel},
		{Method: get, Path: "/v1/channels/{channel}/export", Object: channel, Action: access.Read, handle: (*API).exportChannel},
		{Method: get, Path: "/v1/channels/{channel}/events", Object: channel, Action: access.Read, Tokens: true, handle: (*API).listEvents},
		{Method: post, Path: "/v1/channels/{channel}/events", Object: channel, Action: access.Publish, Tokens: true, Creates: true, handle: (*API).publish},
		{Method: get, Path: "/v1/events", Object: access.Channels, Action: access.Read, handle: (*API).listAllEvents},
		{Method: get, Path: "/v1/events/{id}", Tokens: true, handle: (*API).getEvent},
		{Method: get, Path: "/v1/events/{id}/payload", Tokens: true, handle: (*API).getPayload},
		{Method: get, Path: "/v1/events/{id}/trace", Object: access.Trace, Action: access.Read, handle: (*API).traceEvent},
		{Method: post, Path: "/v1/events/{id}/replay", Creates: true, Audit: "event.replay", handle: (*API).replayEvent},

		{Method: post, Path: "/v1/tokens", Object: access.Token, Action: access.Write, Creates: true, handle: (*API).createToken},
		{Method: post, Path: "/v1/tokens/revoke", Object: access.Token, Action: access.Write, Audit: "token.revoke", handle: (*API).revokeToken},
		{Method: get, Path: "/v1/connections", Object: access.Connection("*"), Action: access.Read, handle: (*API).listConnections},
		{Method: del, Path: "/v1/connections/{id}", Object: access.Connection("{id}"), Action: access.Manage, Audit: "connection.close", handle: (*API).closeConnection},
		{Method: post, Path: "/v1/connections/{id}/renew", Tokens: true, bodyless: true, handle: (*API).renewConnection},

		{Method: get, Path: "/v1/jobs", Object: access.Job("*"), Action: access.Read, handle: (*API).listJobs},
		{Method: post, Path: "/v1/jobs", Object: access.Job("*"), Action: access.Write, Creates: true, bodyless: true, Audit: "job.create", handle: (*API).createJob},
		{Method: post, Path: "/v1/jobs/run", Object: access.Job("*"), Action: access.Write, Creates: true, Audit: "job.run", handle: (*API).runJob},
		{Method: get, Path: "/v1/jobs/{id}", Object: job, Action: access.Read, handle: (*API).getJob},
		{Method: post, Path: "/v1/jobs/{id}/progress", Object: job, Action: access.Write, handle: (*API).progressJob},
		{Method: post, Path: "/v1/jobs/{id}/log", Object: job, Action: access.Write, Creates: true, handle: (*API).logJob},
		{Method: post, Path: "/v1/jobs/{id}/complete", Object: job, Action: access.Write, bodyless: true, handle: (*API).completeJob},
		{Method: post, Path: "/v1/jobs/{id}/fail", Object: job, Action: access.Write, handle: (*API).failJob},
		{Method: post, Path: "/v1/jobs/{id}/cancel", Object: job, Action: access.Write, bodyless: true, Audit: "job.cancel", handle: (*API).cancelJob},
		{Method: post, Path: "/v1/reports/{token}", Public: true, handle: (*API).reportByToken},

		{Method: get, Path: "/v1/policies", Object: access.Policy, Action: access.Read, handle: (*API).getPolicies},
		{Method: put, Path: "/v1/policies", Object: access.Policy, Action: access.Write, Audit: "policy.replace", handle: (*API).putPolicies},
		{Method: post, Path: "/v1/policies/check", Object: access.Policy, Action: access.Read, handle: (*API).checkPolicies},
		{Method: get, Path: "/v1/limits", Object: access.Limits, Action: access.Read, handle: (*API).getLimits},
		{Method: get, Path: "/v1/usage", Object: access.Usage, Action: access.Read, handle: (*API).getUsage},
		{Method: get, Path: "/v1/trace", Object: access.Trace, Action: access.Read, handle: (*API).getTracing},
		{Method: put, Path: "/v1/trace", Object: access.Trace, Action: access.Write, Audit: "trace.set", handle: (*API).putTracing},
		{Method: post, Path: "/v1/trace/why", Object: access.Trace, Action: access.Read, handle: (*API).whyNot},
		{Method: get, Path: "/v1/audit-log", Object: access.Audit, Action: access.Read, operator: true, handle: (*API).listAudit},
	}
}
