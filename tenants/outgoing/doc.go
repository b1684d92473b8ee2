// Package outgoing has the rules for headers of requests to other servers: those that a tenant may add to the
// deliveries of an endpoint and to the requests of a proxy. It owns no rows and sends nothing: package egress does,
// by the ports tenants.Sender and tenants.Opener.
package outgoing
