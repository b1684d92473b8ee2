// Package trace records what happens to traced events and to connections, for the API's trace and session routes.
// Tracing is off unless a tenant turns it on (tenants.Tracing), and a tenant chooses the share of events that are
// traced.
//
// Its rows are ordered kinds, and expire after tenants.TraceLife:
//
//   - "trace/{event id}", Sort "{step}" or "{step}/{node}": a Step, one for each step and node that takes it
//   - "sessions/{subject's hash}", Sort "{time}.{connection}.{open or end}": a Session
//
// The appender (package intake) and the streaming hub tell a Tracer; a Reader answers package api. A Tracer never
// delays its caller: it writes in the background, bounds memory per tenant, and counts what it drops. A record holds
// no payload and no secret. A missing record proves nothing: it may have been dropped.
package trace
