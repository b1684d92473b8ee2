// Package record turns rows of a Table into records and back, and changes them by optimistic concurrency. It is for the
// packages that own rows: it has no kinds and no rows of its own, and knows nothing of what a record means.
//
// A record is a Go struct. Its row's body is the struct as encoding/json writes it, with Go's field names as member
// names. Stored rows outlive the program that wrote them, so a field's name and type are for ever: a field can be
// added (old rows decode to its zero value), but not renamed.
//
//   - Read gets one record that must exist; Find gets one that may be absent, and what a write must expect of its row.
//   - Update is the one compare-and-swap loop. A package that changes a row calls it, and gives ErrContended a code.
//   - List and Count page through an ordered kind.
package record
