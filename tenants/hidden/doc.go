// Package hidden removes the fields of payloads that a reader must not see. It owns no rows: package access makes a
// Hidden from a tenant's policies, and the API and the streaming hub show every event through Hidden.View.
//
//   - A Hidden names fields by channel pattern and member path. Equal ones are equal strings, so the hub prunes an
//     event once for all subscribers with the same Hidden.
//   - The log keeps the whole payload. View never changes an event; it returns the event itself or a copy.
//   - A payload in which the fields cannot be found for certain is withheld as a whole. No JSON reader, strict or
//     lenient, finds a hidden field in the output (FuzzView).
package hidden
