// Package intake takes events in: from a provider's webhook or a tenant's own program, through the ingest queue, into
// the log and to the streaming nodes. Every event takes this one way, whatever the load.
//
//	Receiver.Receive   receiver.go   a webhook: find the source by the URL's token, answer a handshake, verify the
//	                                 signature over the raw bytes, choose type and channel
//	Publisher.Publish  publisher.go  an event of a tenant's own program, whose credential the caller has verified
//	Intake             intake.go     apply the tenant's limits, recognise a repeat, send to the queue: now the event
//	                                 is durable, and only now its sender gets a 2xx
//	Appender.Append    appender.go   append a batch from the queue to the log, in order, and tell the nodes that
//	                                 have subscribers
//
// Packages job and proxy have events of their own and use Intake directly: Terms reads the tenant's limits, Take (or
// AwaitTurn) applies its rate, Admit its limits of events per month and of channels, and Send enqueues. Notices tells
// tenants about their own account (a limit nearly used up, an endpoint that fails) through the same queue; packages
// quota and delivery call it. Functions ingest and append, the streaming process and the one-process server run this
// package.
//
// Where each limit is checked:
//
//	rate      Intake.Take, AwaitTurn     intake.go; per source terms.go (takeSource)
//	size      Terms.CheckSize            terms.go; after gunzip in Receiver.Receive
//	month     monthLimit.take            month_limit.go, by Intake.Admit
//	channels  channelCount.admit         channel_count.go, by Intake.Admit
//
// It owns no rows: it reads those of account, source, eventlog and projection and writes events by eventlog alone. It
// owns the messages of the ingest queue (message.go): one event each, grouped by channel.
//
// # Invariants
//
//   - Nothing of a webhook is trusted, decoded or counted against its tenant before its signature is verified.
//   - A nil error means that the event is in the queue or in the log. A message is done only when its event is in the
//     log and every interested node was told; until then it comes again, and each step can be repeated.
//   - The messages of one channel stay in order: one that fails takes the later ones of its group back with it.
//   - Rates and counts are held per process and approximate; the log alone decides what is a duplicate. If a limit
//     cannot be read, an event that is signed or came with a credential is accepted, an unsigned one refused (Terms).
package intake
