// Package endpoint keeps endpoints: URLs of tenants that Hookcast posts events to. It decides which events an endpoint
// gets, signs the requests, and remembers which endpoints fail. It does not send deliveries: package delivery does.
//
// For each event package delivery calls Endpoints.All and Matches, then Pace.Take and Healths for the time of an
// attempt, then Prepare for the signed request, and Healths.Change with the outcome. Package job sends work to
// endpoints with Prepare. The admin API creates and changes endpoints, and tests them with Probe.
//
// # The rows
//
//	list/endpoints    {tenant}, endpoint id    an Endpoint, with its headers and secrets sealed
//	list/health       {tenant}, endpoint id    a Health, only while something is wrong
//	pace              {tenant}, endpoint id    when the next attempt may start, only with a rate
//
// # Invariants
//
//   - An endpoint changes only through account.Accounts.Change, so that the limits per tenant and per host hold
//     against any number of concurrent calls. Health and pace change by record.Update alone: attempts never wait for
//     the administration.
//   - With Options.Challenge nothing but the challenge is posted to a URL that has not echoed its ownership
//     challenge. A new URL starts over.
//   - Every request is signed by every secret that has not ended. A private key is never shown.
//   - An event that has passed through tenants.MaxHops deliveries goes no further, so that loops end.
package endpoint
