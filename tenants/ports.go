package tenants

import (
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"time"
)

// Destinations says which URLs may be posted to.
type Destinations interface {
	// CheckURL returns the URL in its one normal form. What may not be posted to: Unprocessable invalid_url, at /url, with the reason. It may
	// look the name up, and takes a name that cannot be looked up now: what counts is the address at the time of each attempt.
	CheckURL(ctx context.Context, raw string) (string, error)
}

// Filter decides by a tenant's expression over an event. The interface is here, and what fulfils it in a package of its own.
//
// Obligations: an expression costs bounded work and memory to check and to evaluate, whatever it and the event say, and can do
// nothing but compute. Safe for concurrent use. Equal arguments give equal answers.
type Filter interface {
	// Check refuses what is no expression, or could cost too much: Unprocessable invalid_filter, at /filter, with the position in
	// the text where there is one.
	Check(expression string) error
	// Matches evaluates an expression that Check has passed. What cannot be evaluated on this event (a field that is not there, a payload
	// that is no JSON, too much work): false and an error of kind Unprocessable, code filter_failed, with a detail for the tenant.
	Matches(expression string, e Event) (bool, error)
}

// LimitLookup tells a tenant's limits; Accounts is one. A tenant that may not act: Forbidden tenant_suspended, or NotFound.
type LimitLookup interface {
	Limits(ctx context.Context, tenant TenantID) (Limits, error)
}

// Opener makes requests to addresses that tenants choose, for answers that take their time.
type Opener interface {
	// Open returns the answer once its head is there, or why there is none. The body is the caller's to read and close, and ends when ctx
	// does. It checks the address of every connection and follows no redirect.
	Open(ctx context.Context, o Outgoing) (*http.Response, Failure)
}

// InboxMaker makes and removes nodes' inboxes.
type InboxMaker interface {
	// Create makes node's inbox. Once it has returned nil everybody can send to it.
	Create(ctx context.Context, node string) error
	// Delete removes node's inbox with what is in it. One that is not there is no error.
	Delete(ctx context.Context, node string) error
}

// Inbox is the end of an inbox that its node reads.
type Inbox interface {
	// Receive waits for notices, 20 s or so, and returns some or none. They come again unless done is called. An inbox that is
	// not there any more: kind NotFound.
	Receive(ctx context.Context) (ns []InboxMessage, done func(context.Context) error, err error)
}

// InboxLister lists inboxes by their nodes' names.
type InboxLister interface {
	// List returns the nodes that have an inbox. One made or deleted within the last minute may be missing or still be there.
	List(ctx context.Context) ([]string, error)
}

// Sender makes requests to addresses that tenants choose. It checks the concrete address of every connection, follows no redirect,
// decodes no content encoding, and ends within its total timeout (15 s) whatever the other side does. Safe for concurrent use.
type Sender interface {
	Send(ctx context.Context, o Outgoing) Answer
}

// Everything that an adapter fulfils is in this file. The interfaces are small because the rules are not here: they are in the
// concrete types that stand on them (Log, Appender, Receiver, …), written once.
//
// Obligations of every method: safe for concurrent use; done with its arguments when it returns; returns an *Error, of
// kind Unavailable for what may pass by itself (throttling, a lost connection, a full disk, a cancelled ctx). After
// Unavailable the outcome is unknown: what was asked for may have happened or not, wholly, never in part. The adapter does
// its engine's own retries; the caller decides on any other.

// Kind names a sort of row. An ordered kind has a slash ("log/orders.42", "list/sources"): its rows are one sequence by
// Sort and can be queried. A point kind has none ("evt", "head"): its rows are spread by Sort and can only be got.
type Kind string

// Ordered tells whether the kind's rows can be queried.
func (k Kind) Ordered() bool { return strings.Contains(string(k), "/") }

// TenantKind is an ordered kind of row that leaves with its tenant. Each package names its own, so that whoever deletes a tenant needs to know none.
type TenantKind struct {
	Kind   Kind
	AtOnce bool // secrets, and what leads to them: gone when the deletion is answered. The rest is erased afterwards

	// Lookups names the rows of System by which the record in row is found; nil: there are none.
	Lookups func(row Row) ([]Key, error)
}

// Key names a row. The tenant is its first part, so that a read across tenants cannot be written down.
type Key struct {
	Tenant TenantID
	Kind   Kind
	Sort   string // bytes 0x20 to 0x7e; "" on point kinds with one row
}

// Row is a record as it is stored. Body is the domain's own encoding; an adapter may compress it, and never looks into it.
type Row struct {
	Key
	Version int64     // set by the Table; grows with each put for as long as the row is physically there
	Body    []byte    // at most 390 KB
	Expires time.Time // zero: never. Rounded up to the second. Past it the row does not exist
}

// Condition is what a Write expects of a row before it acts.
type Condition struct {
	kind    condition
	version int64
}

type condition int

const (
	anything condition = iota
	absent
	atVersion
)

// Anything expects nothing.
func Anything() Condition { return Condition{} }

// Absent expects that there is no such row, or one past its expiry.
func Absent() Condition { return Condition{kind: absent} }

// At expects the row at version v, not past its expiry. A caller does not keep a version for longer than the row lives.
func At(v int64) Condition { return Condition{kind: atVersion, version: v} }

// IsAbsent tells whether the condition is Absent.
func (c Condition) IsAbsent() bool { return c.kind == absent }

// Version returns the version that At asked for.
func (c Condition) Version() (v int64, ok bool) { return c.version, c.kind == atVersion }

// Op is one step of a Write: a put, a delete or a check of one row.
type Op struct {
	Row    Row // its Version is ignored
	If     Condition
	Action Action
}

// Action is what an Op does where its condition holds.
type Action int

const (
	ActionPut Action = iota
	ActionDelete
	ActionCheck
)

// Put writes body at k. The row's version becomes 1 under Absent, v+1 under At(v), and larger than before under Anything.
func Put(k Key, body []byte, expires time.Time, c Condition) Op {
	return Op{Row: Row{Key: k, Body: body, Expires: expires}, If: c}
}

// Delete removes the row at k. Deleting a row that is not there succeeds under Anything.
func Delete(k Key, c Condition) Op { return Op{Row: Row{Key: k}, If: c, Action: ActionDelete} }

// Check changes nothing and refuses the Write where c does not hold.
func Check(k Key, c Condition) Op { return Op{Row: Row{Key: k}, If: c, Action: ActionCheck} }

// RefusedError says which Op's condition did not hold. Nothing of that Write happened.
type RefusedError struct{ Op int }

func (e *RefusedError) Error() string { return "the row is not as the write expects" }

// Range selects rows of one ordered kind by their Sort.
type Range struct {
	Tenant   TenantID
	Kind     Kind
	After    string // only rows whose Sort is greater; "" from the start
	Before   string // only rows whose Sort is less; "" to the end
	Backward bool   // greatest Sort first
	Limit    int    // at most this many rows, 1 to 1,000
}

// Table is a tenant-scoped record store in DynamoDB's own terms.
type Table interface {
	// Get returns the row at k as the last completed Write left it. Absent, or past its expiry: kind NotFound, code row_not_found.
	Get(ctx context.Context, k Key) (Row, error)

	// Query returns rows in order of Sort (bytewise). Each row is as recent as Get's, yet the answer as a whole is no snapshot: a
	// row committed meanwhile may be missing while a later one is there. Fewer rows than Limit means that the range ends.
	Query(ctx context.Context, r Range) ([]Row, error)

	// Write does all of ops or nothing: 1 to 100 ops, each on another key. An Op whose condition does not hold: *RefusedError with
	// the first such Op. Durable when it returns nil.
	Write(ctx context.Context, ops ...Op) error

	// WriteEach does ops one after the other, each a Write of its own; an op begins only when the one before it is durable or
	// commits together with it, and nothing is done behind the first that fails. It returns how many were done; after Unavailable
	// more may have been, still without a hole. One engine pays a round trip each, another one commit for all.
	WriteEach(ctx context.Context, ops ...Op) (done int, err error)
}

// Change is one row that was written or removed. Row is as it was then or later; Deleted rows have a Key only.
type Change struct {
	Row     Row
	Deleted bool
}

// Feed is the change feed of a Table: every change at least once, in no order to rely on.
type Feed interface {
	// Next waits for changes and returns up to max. They come again unless done is called, which must be after they are dealt with.
	Next(ctx context.Context, max int) (changes []Change, done func(context.Context) error, err error)
}

// Message is what a Queue carries.
type Message struct {
	Group  string        // messages of one group are received in order of Send, one batch at a time; "" in no order. At most 128 bytes of 0x21 to 0x7e
	Dedupe string        // a second message of the group with it within 5 minutes of the first is accepted and dropped, one of another group perhaps; "" never. As Group, and only where there is one
	Delay  time.Duration // not received before; 0 to 15 minutes, and 0 where there is a Group
	Body   []byte        // 1 byte to 700,000: in base64 it fits SQS's 1 MiB
}

// Received is a Message in a receiver's hands: its own until the visibility time has passed.
type Received struct {
	Message
	Receipt  string // the adapter's; valid until the message becomes visible again
	Receives int    // 1 the first time
	Sent     time.Time
}

// Queue is an at-least-once queue in SQS's own terms. Visibility time and the number of receives after which a message goes
// to the dead letters belong to the adapter's configuration.
type Queue interface {
	// Send is durable when it returns nil. On error any of the messages may have been sent.
	Send(ctx context.Context, ms ...Message) error

	// Receive waits up to wait for messages and returns 1 to max of them, or none. Of a group it returns the oldest ones, in order, and
	// none while another receiver holds a message of that group. A Receive whose ctx ends may take messages along until they lapse.
	Receive(ctx context.Context, max int, wait time.Duration) ([]Received, error)

	// Done removes messages for good. A receipt that has lapsed is no error and removes nothing that another receiver holds.
	Done(ctx context.Context, rs ...Received) error

	// Release gives messages back: they are visible again after delay, with the later ones of their group behind them.
	Release(ctx context.Context, delay time.Duration, rs ...Received) error
}

// Vault seals small secrets (at most 4 KB) for storage. What was sealed for one tenant and purpose does not open for another.
type Vault interface {
	Seal(ctx context.Context, t TenantID, purpose string, plain []byte) ([]byte, error)
	// Open fails with kind Internal, code unsealable, where sealed was not made by Seal with the same tenant and purpose.
	Open(ctx context.Context, t TenantID, purpose string, sealed []byte) ([]byte, error)
}

// Inboxes carries notices to streaming nodes.
type Inboxes interface {
	// Send hands notices to node's inbox, in order. A node that is gone: kind NotFound. Delivery is at least once, and may fail after
	// nil where the node dies: nodes read the log after themselves, so a lost notice delays and loses nothing.
	Send(ctx context.Context, node string, ns ...InboxMessage) error
}

// Certificates fetches the certificates that some providers name in what they sign. Anybody may name one, before anything is verified, so
// an adapter bounds what that costs: https without redirects, a bounded answer in a bounded time, answers and refusals kept for a while,
// and a bound on how many new addresses it asks in a second.
type Certificates interface {
	// Certificate returns the first certificate at the address, whose chain is verified up to one of the system's roots. The address
	// is one that signing.Scheme.CertificateURL gave. A chain that does not hold, or an answer without one: kind Unauthenticated, code
	// certificate_refused. What may pass: Unavailable.
	Certificate(ctx context.Context, url string) (*x509.Certificate, error)
}

const RowNodes Kind = "list/nodes" // sys, node id: a live node's lease

const KindRevocations Kind = "list/revocations" // {tenant}, what is revoked; package token

const KindPolicy Kind = "policy" // {tenant}, "": the tenant's own access rules; package access

// SealedSecret is a signing secret as it is stored.
type SealedSecret struct {
	ID       string
	Sealed   []byte
	Created  time.Time
	NotAfter time.Time // zero: for as long as the source lives
}

// Purpose binds a sealed secret to its place: in another source's record it does not open.
func (s SealedSecret) Purpose(source string) string { return "source-secret/" + source + "/" + s.ID }
