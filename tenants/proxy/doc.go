// Package proxy lets browsers read another server's event stream without seeing the key that opens it.
//
// A proxy is a request with placeholders, written {{name}}. A caller supplies values for its parameters and gets a
// Call: the request to send, the channel of the events, and a Redactor for what callers are shown of the answer.
// Package streamer/relay sends the request. If the proxy is shared, callers with the same values read one upstream:
// one node runs it and puts its events into a channel with a Feed, and Runs says which node that is.
//
// # Rows
//
//	list/proxies  tenant, proxy id         a Proxy; the request inside is sealed
//	run/{run}     tenant, lease            a RunState: which node runs a shared upstream, and how far it was read
//	run/{run}     tenant, hold/{node}/{id} the node has listeners; the row counts for as long as the node lives
//
// The rows of runs expire. Those of proxies are removed by package erasure, by Kinds.
//
// # Callers
//
// Package api creates, changes and lists proxies. Package streamer makes the calls, and streamer/relay uses Runs and
// Feed.
//
// # Invariants
//
//   - A value stays where its placeholder stands: it cannot reach another segment of the path, another query parameter,
//     another header or another JSON value. What does not fit is refused, and never repeated in the refusal.
//   - The request is stored encrypted, for this proxy of this tenant only. A Call holds keys and is not stored.
//   - Only the holder of a run's lease, which a node holds for as long as it lives, can save its state.
//   - An upstream's events take the same way as all events, under the tenant's limits.
package proxy
