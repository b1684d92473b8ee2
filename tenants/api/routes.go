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
		{Method: post, Path: "/v1/signup", Public: true, Audit: "tenant.signup", handle: (*API).signup},

		{Method: get, Path: "/v1/tenant", Object: access.Tenant, Action: read, Suspended: true,
			handle: (*API).getTenant},
		{Method: patch, Path: "/v1/tenant", Object: access.Tenant, Action: write, Audit: "tenant.update",
			handle: (*API).patchTenant},
		{Method: del, Path: "/v1/tenant", Object: access.Tenant, Action: manage, Audit: "tenant.delete", ends: true,
			handle: (*API).deleteTenant},

		{Method: get, Path: "/v1/tenants", Operator: true, handle: (*API).listTenants},
		{Method: post, Path: "/v1/tenants", Operator: true, Creates: true, Audit: "tenant.create",
			handle: (*API).createTenant},
		{Method: get, Path: "/v1/tenants/{id}", Operator: true, handle: (*API).getAnyTenant},
		{Method: patch, Path: "/v1/tenants/{id}", Operator: true, Audit: "tenant.update",
			handle: (*API).patchAnyTenant},
		{Method: del, Path: "/v1/tenants/{id}", Operator: true, Audit: "tenant.delete", ends: true,
			handle: (*API).deleteAnyTenant},
		{Method: post, Path: "/v1/tenants/{id}/suspend", Operator: true, Audit: "tenant.suspend", bodyless: true,
			handle: (*API).suspendTenant},
		{Method: post, Path: "/v1/tenants/{id}/resume", Operator: true, Audit: "tenant.resume", bodyless: true,
			handle: (*API).resumeTenant},

		{Method: get, Path: "/v1/keys", Object: keys, Action: read, handle: (*API).listKeys},
		{Method: post, Path: "/v1/keys", Object: keys, Action: write, Creates: true, Audit: "key.create",
			handle: (*API).createKey},
		{Method: del, Path: "/v1/keys/{id}", Object: keys, Action: manage, Audit: "key.delete",
			handle: (*API).deleteKey},
		{Method: post, Path: "/v1/keys/{id}/rotate", Object: keys, Action: manage, Creates: true, Audit: "key.rotate",
			bodyless: true, handle: (*API).rotateKey},

		{Method: get, Path: "/v1/providers", Object: sources, Action: read, handle: (*API).listProviders},
		{Method: get, Path: "/v1/providers/{name}", Object: sources, Action: read, handle: (*API).getProvider},
		{Method: get, Path: "/v1/sources", Object: sources, Action: read, handle: (*API).listSources},
		{Method: post, Path: "/v1/sources", Object: sources, Action: write, Creates: true, Audit: "source.create",
			handle: (*API).createSource},
		{Method: get, Path: "/v1/sources/{id}", Object: source, Action: read, handle: (*API).getSource},
		{Method: patch, Path: "/v1/sources/{id}", Object: source, Action: write, Audit: "source.update",
			handle: (*API).patchSource},
		{Method: del, Path: "/v1/sources/{id}", Object: source, Action: write, Audit: "source.delete",
			handle: (*API).deleteSource},
		{Method: post, Path: "/v1/sources/{id}/secrets", Object: source, Action: write, Creates: true,
			Audit: "source.secret.create", bodyless: true, handle: (*API).addSecret},
		{Method: del, Path: "/v1/sources/{id}/secrets/{secret}", Object: source, Action: write,
			Audit: "source.secret.delete", handle: (*API).removeSecret},
		{Method: post, Path: "/v1/sources/{id}/rotate-url", Object: source, Action: write, Creates: true,
			Audit: "source.url.rotate", bodyless: true, handle: (*API).rotateURL},
		{Method: post, Path: "/v1/sources/{id}/test", Object: source, Action: read, handle: (*API).testSource},

		{Method: get, Path: "/v1/endpoints", Object: endpoints, Action: read, handle: (*API).listEndpoints},
		{Method: post, Path: "/v1/endpoints", Object: endpoints, Action: write, Creates: true, Audit: "endpoint.create",
			handle: (*API).createEndpoint},
		{Method: get, Path: "/v1/endpoints/{id}", Object: endpoint, Action: read, handle: (*API).getEndpoint},
		{Method: patch, Path: "/v1/endpoints/{id}", Object: endpoint, Action: write, Audit: "endpoint.update",
			handle: (*API).patchEndpoint},
		{Method: del, Path: "/v1/endpoints/{id}", Object: endpoint, Action: write, Audit: "endpoint.delete",
			handle: (*API).deleteEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/enable", Object: endpoint, Action: write, bodyless: true,
			Audit: "endpoint.enable", handle: (*API).enableEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/disable", Object: endpoint, Action: write, bodyless: true,
			Audit: "endpoint.disable", handle: (*API).disableEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/rotate-secret", Object: endpoint, Action: manage, Creates: true,
			bodyless: true, Audit: "endpoint.secret.rotate", handle: (*API).rotateEndpointSecret},
		{Method: get, Path: "/v1/endpoints/{id}/secret", Object: endpoint, Action: manage,
			handle: (*API).getEndpointSecrets},
		{Method: post, Path: "/v1/endpoints/{id}/test", Object: endpoint, Action: write, bodyless: true,
			handle: (*API).testEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/verify", Object: endpoint, Action: write, bodyless: true,
			Audit: "endpoint.verify", handle: (*API).verifyEndpoint},
		{Method: post, Path: "/v1/endpoints/{id}/recover", Object: endpoint, Action: write, Audit: "endpoint.recover",
			handle: (*API).recoverEndpoint},

		{Method: get, Path: "/v1/deliveries", Object: deliveries, Action: read, handle: (*API).listDeliveries},
		{Method: get, Path: "/v1/deliveries/{id}", Object: delivery, Action: read, handle: (*API).getDelivery},
		{Method: post, Path: "/v1/deliveries/{id}/retry", Object: delivery, Action: write, bodyless: true,
			Audit: "delivery.retry", handle: (*API).retryDelivery},
		{Method: post, Path: "/v1/deliveries/{id}/cancel", Object: delivery, Action: write, bodyless: true,
			Audit: "delivery.cancel", handle: (*API).cancelDelivery},
		{Method: get, Path: "/v1/dead-letters", Object: deliveries, Action: read, handle: (*API).listDead},
		{Method: post, Path: "/v1/dead-letters/redrive", Object: deliveries, Action: write, Creates: true,
			bodyless: true, Audit: "delivery.redrive", handle: (*API).redrive},
		{Method: post, Path: "/v1/replays", Object: deliveries, Action: write, Creates: true, Audit: "delivery.replay",
			handle: (*API).startReplay},
		{Method: get, Path: "/v1/replays/{id}", Object: deliveries, Action: read, handle: (*API).getReplay},

		{Method: get, Path: "/v1/proxies", Object: access.Proxy("*"), Action: read, handle: (*API).listProxies},
		{Method: post, Path: "/v1/proxies", Object: access.Proxy("*"), Action: write, Creates: true,
			Audit: "proxy.create", handle: (*API).createProxy},
		{Method: get, Path: "/v1/proxies/{id}", Object: access.Proxy("{id}"), Action: read, handle: (*API).getProxy},
		{Method: patch, Path: "/v1/proxies/{id}", Object: access.Proxy("{id}"), Action: write, Audit: "proxy.update",
			handle: (*API).patchProxy},
		{Method: del, Path: "/v1/proxies/{id}", Object: access.Proxy("{id}"), Action: write, Audit: "proxy.delete",
			handle: (*API).deleteProxy},

		{Method: get, Path: "/v1/channels", Object: access.Channels, Action: read, Tokens: true,
			handle: (*API).listChannels},
		{Method: get, Path: "/v1/channels/{channel}", Object: channel, Action: read, Tokens: true,
			handle: (*API).getChannel},
		{Method: del, Path: "/v1/channels/{channel}", Object: channel, Action: manage, Audit: "channel.purge",
			handle: (*API).purgeChannel},
		{Method: get, Path: "/v1/channels/{channel}/export", Object: channel, Action: read,
			handle: (*API).exportChannel},
		{Method: get, Path: "/v1/channels/{channel}/events", Object: channel, Action: read, Tokens: true,
			handle: (*API).listEvents},
		{Method: post, Path: "/v1/channels/{channel}/events", Object: channel, Action: access.Publish, Tokens: true,
			Creates: true, handle: (*API).publish},
		{Method: get, Path: "/v1/events", Object: access.Channels, Action: read, handle: (*API).listAllEvents},
		{Method: get, Path: "/v1/events/{id}", Tokens: true, handle: (*API).getEvent},
		{Method: get, Path: "/v1/events/{id}/payload", Tokens: true, handle: (*API).getPayload},
		{Method: get, Path: "/v1/events/{id}/trace", Object: access.Trace, Action: read, handle: (*API).traceEvent},
		{Method: post, Path: "/v1/events/{id}/replay", Creates: true, Audit: "event.replay",
			handle: (*API).replayEvent},

		{Method: post, Path: "/v1/tokens", Object: access.Token, Action: write, Creates: true,
			handle: (*API).createToken},
		{Method: post, Path: "/v1/tokens/revoke", Object: access.Token, Action: write, Audit: "token.revoke",
			handle: (*API).revokeToken},
		{Method: get, Path: "/v1/connections", Object: access.Connection("*"), Action: read,
			handle: (*API).listConnections},
		{Method: del, Path: "/v1/connections/{id}", Object: access.Connection("{id}"), Action: manage,
			Audit: "connection.close", handle: (*API).closeConnection},
		{Method: post, Path: "/v1/connections/{id}/renew", Tokens: true, bodyless: true,
			handle: (*API).renewConnection},

		{Method: get, Path: "/v1/jobs", Object: access.Job("*"), Action: read, handle: (*API).listJobs},
		{Method: post, Path: "/v1/jobs", Object: access.Job("*"), Action: write, Creates: true, bodyless: true,
			Audit: "job.create", handle: (*API).createJob},
		{Method: post, Path: "/v1/jobs/run", Object: access.Job("*"), Action: write, Creates: true, Audit: "job.run",
			handle: (*API).runJob},
		{Method: get, Path: "/v1/jobs/{id}", Object: job, Action: read, handle: (*API).getJob},
		{Method: post, Path: "/v1/jobs/{id}/progress", Object: job, Action: write, handle: (*API).progressJob},
		{Method: post, Path: "/v1/jobs/{id}/log", Object: job, Action: write, Creates: true, handle: (*API).logJob},
		{Method: post, Path: "/v1/jobs/{id}/complete", Object: job, Action: write, bodyless: true,
			handle: (*API).completeJob},
		{Method: post, Path: "/v1/jobs/{id}/fail", Object: job, Action: write, handle: (*API).failJob},
		{Method: post, Path: "/v1/jobs/{id}/cancel", Object: job, Action: write, bodyless: true, Audit: "job.cancel",
			handle: (*API).cancelJob},
		{Method: post, Path: "/v1/reports/{token}", Public: true, handle: (*API).reportByToken},

		{Method: get, Path: "/v1/policies", Object: access.Policy, Action: read, handle: (*API).getPolicies},
		{Method: put, Path: "/v1/policies", Object: access.Policy, Action: write, Audit: "policy.replace",
			handle: (*API).putPolicies},
		{Method: post, Path: "/v1/policies/check", Object: access.Policy, Action: read, handle: (*API).checkPolicies},
		{Method: get, Path: "/v1/limits", Object: access.Limits, Action: read, handle: (*API).getLimits},
		{Method: get, Path: "/v1/usage", Object: access.Usage, Action: read, handle: (*API).getUsage},
		{Method: get, Path: "/v1/trace", Object: access.Trace, Action: read, handle: (*API).getTracing},
		{Method: put, Path: "/v1/trace", Object: access.Trace, Action: write, Audit: "trace.set",
			handle: (*API).putTracing},
		{Method: post, Path: "/v1/trace/why", Object: access.Trace, Action: read, handle: (*API).whyNot},
		{Method: get, Path: "/v1/audit-log", Object: access.Audit, Action: read, operator: true,
			handle: (*API).listAudit},
	}
}
