package tenants

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"
)

// This file holds every interface that an adapter implements. The interfaces are small, because rules are not in
// adapters: they are in the rooms (eventlog.Log, intake.Appender, …), written once.
//
// Every method is safe for concurrent use and does not keep its arguments after it returns. Its error is an *Error,
// of kind Unavailable for a temporary failure: throttling, a lost connection, a full disk, a canceled ctx. After
// Unavailable the outcome is unknown: the operation happened completely or not at all. The adapter does its engine's
// own retries; the caller decides on any others. The comments below state what differs.

// Table is a store of records by tenant, on the terms of DynamoDB.
type Table interface {
	// Get returns the row at k as the last completed Write left it. An absent or expired row: NotFound row_not_found.
	Get(ctx context.Context, k Key) (Row, error)

	// Query returns rows in bytewise order of Sort. Each row is as recent as Get's, but the result is not a snapshot: a
	// row committed meanwhile may be missing although a later one is present. Fewer rows than Limit end the range.
	Query(ctx context.Context, r Range) ([]Row, error)

	// Write applies all of ops or none: 1 to 100 of them, each on another key. If a condition does not hold, it returns
	// a *RefusedError with the first such op. The write is durable when it returns nil.
	Write(ctx context.Context, ops ...Op) error

	// WriteEach applies ops in order, each as a Write of its own, and stops at the first that fails. An op begins only
	// when the one before it is durable, or commits together with it. It returns how many were applied; after
	// Unavailable it may have been more, still without a gap. Some engines need a round trip for each op.
	WriteEach(ctx context.Context, ops ...Op) (done int, err error)
}

// Feed is the change feed of a Table. It delivers every change at least once, in no reliable order.
type Feed interface {
	// Next waits for changes and returns at most max. They come again unless done is called, after they were processed.
	Next(ctx context.Context, max int) (changes []Change, done func(context.Context) error, err error)
}

// Message is what a Queue carries.
type Message struct {
	// Group is "" or 1 to 128 bytes of 0x21 to 0x7e. Messages of one group are received in the order of Send, one batch
	// at a time; those without a group in any order.
	Group string
	// Dedupe is "", or as Group, and needs a Group. Within 5 minutes of a message, a second one of the group with the
	// same Dedupe is accepted and dropped; a queue may also drop one of another group.
	Dedupe string
	Delay  time.Duration // the message is not received earlier; 0 to 15 minutes, 0 with a Group
	Body   []byte        // 1 to 700,000 bytes: in base64 it fits SQS's 1 MiB
}

// Received is a Message that a receiver holds. No other receiver gets it until the visibility time has passed.
type Received struct {
	Message
	Receipt  string // the adapter's; valid until the message becomes visible again
	Receives int    // 1 the first time
	Sent     time.Time
}

// Queue is an at-least-once queue, on the terms of SQS. The adapter's configuration sets the visibility time and the
// number of receives after which a message becomes a dead letter.
type Queue interface {
	// Send is durable when it returns nil. After an error any of the messages may have been sent.
	Send(ctx context.Context, ms ...Message) error

	// Receive waits at most wait for messages and returns 0 to max of them. Of a group it returns the oldest, in
	// order, and none while another receiver holds a message of the group. If ctx ends meanwhile, messages may stay
	// invisible for the visibility time.
	Receive(ctx context.Context, max int, wait time.Duration) ([]Received, error)

	// Done removes messages for good. A lapsed receipt is not an error and removes nothing that another receiver holds.
	Done(ctx context.Context, rs ...Received) error

	// Release returns messages to the queue: they become visible after delay, before later ones of their group.
	Release(ctx context.Context, delay time.Duration, rs ...Received) error
}

// Vault encrypts secrets of at most 4 KB for storage. What it seals for one tenant and purpose does not open for
// another.
type Vault interface {
	Seal(ctx context.Context, t TenantID, purpose string, plain []byte) ([]byte, error)
	// Open is the inverse of Seal. If Seal did not make sealed for this tenant and purpose: Internal unsealable.
	Open(ctx context.Context, t TenantID, purpose string, sealed []byte) ([]byte, error)
}

// Inboxes sends messages to streaming nodes.
type Inboxes interface {
	// Send puts messages into node's inbox, in order. If the node does not exist: kind NotFound. Delivery is at least
	// once, and may fail after nil if the node dies. Nodes also read the log, so a lost message only causes delay.
	Send(ctx context.Context, node string, ms ...InboxMessage) error
}

// Inbox is the receiving end of a node's inbox.
type Inbox interface {
	// Receive waits about 20 s for messages and returns those that came, or none. They are delivered again unless done
	// is called. If the inbox does not exist any more: kind NotFound.
	Receive(ctx context.Context) (ms []InboxMessage, done func(context.Context) error, err error)
}

// InboxMaker creates and deletes the inboxes of nodes.
type InboxMaker interface {
	// Create makes node's inbox. When it returns nil, every process can send to it.
	Create(ctx context.Context, node string) error
	// Delete removes node's inbox and its messages. An inbox that does not exist is not an error.
	Delete(ctx context.Context, node string) error
}

// InboxLister lists inboxes.
type InboxLister interface {
	// List returns the nodes that have an inbox. It may be wrong about one created or deleted within the last minute.
	List(ctx context.Context) ([]string, error)
}

// Certificates fetches the certificates that some providers name in their requests. The names come from unverified
// requests, so an adapter bounds the cost: https without redirects, limits on the size and time of an answer, a cache
// of answers and failures, and a limit on new addresses per second.
type Certificates interface {
	// Certificate returns the first certificate at url, after verifying its chain up to a root of the system. url comes
	// from signing.Scheme.CertificateURL. An invalid chain, or an answer without a certificate: Unauthenticated
	// certificate_refused.
	Certificate(ctx context.Context, url string) (*x509.Certificate, error)
}

// Destinations decides to which URLs requests may be sent.
type Destinations interface {
	// CheckURL returns the normal form of raw. A URL that is not allowed: Unprocessable invalid_url, at /url, with
	// the reason. It may look the host name up, and accepts one that does not resolve now: each attempt checks the
	// address again.
	CheckURL(ctx context.Context, raw string) (string, error)
}

// Sender makes requests to addresses that tenants choose. It checks the address of every connection, follows no
// redirects, decodes no content encoding, and ends within its total timeout (15 s) whatever the other side does.
type Sender interface {
	// Send makes the request. A failure is part of the Answer.
	Send(ctx context.Context, o Outgoing) Answer
}

// Opener makes requests to addresses that tenants choose, for answers that take long, such as streams. It checks the
// address of every connection and follows no redirects.
type Opener interface {
	// Open returns the answer when its head has arrived, or the reason why there is none. The caller closes the body,
	// which ends with ctx.
	Open(ctx context.Context, o Outgoing) (*http.Response, Failure)
}

// Filter evaluates tenants' expressions on events. Its cost in work and memory is bounded for any expression and event.
// An expression can only compute, and equal arguments give equal results.
type Filter interface {
	// Check refuses an expression that is invalid or could cost too much: Unprocessable invalid_filter, at /filter,
	// with the position if there is one.
	Check(expression string) error
	// Matches evaluates an expression that Check has accepted. If it fails on this event (a missing field, a payload
	// that is not JSON, too much work), it returns false and Unprocessable filter_failed with a detail for the tenant.
	Matches(expression string, e Event) (bool, error)
}
