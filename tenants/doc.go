// Package tenants is the domain of Hookcast: its nouns, its rules, and the ports to what it stands on. It knows no HTTP, no AWS
// and no SQL. Read this page, then follow an event through the files that it names.
//
// # The life of an event
//
// A provider (GitHub, Stripe, …) posts a webhook to the URL of a source.
//
//	Receiver.Receive  receiver.go   find the source by the URL's token; verify the signature over the raw bytes
//	                                (package signing); give the event its id, its type and, by the source's
//	                                Template (route.go), its channel
//	Intake            intake.go     hold it against the tenant's limits; know a repeated delivery; Queue.Send
//
// Now the event is durable, and the provider gets its 2xx: never before. A tenant's own program comes in by
// Publisher.Publish (publisher.go) and takes the same way from Intake on: there is one path in, whatever the load. The event's
// id follows from tenant, source and the provider's id of the delivery, so that a retry is the same event wherever it is noticed.
//
//	Appender          appender.go   take a batch of a channel from the queue, in order
//	Log.Append        log.go        give each event the channel's next number 1, 2, 3, … and store it
//	Interest.Nodes    interest.go   which streaming nodes hold subscribers of this channel
//	Inboxes.Send      ports.go      one Notice (notice.go) per node; then Queue.Done
//
// A node writes the events of a notice to its subscribers' sockets. Where a number is missing, and whenever a subscriber
// connects, it reads:
//
//	Log.Read          log_read.go   the events behind a cursor, or the Gap that retention (log_floor.go) has left
//
// What follows from a row of the log follows the table's change feed, which has each at least once and in no order to rely on:
//
//	MonthlyUsage      usage.go       how many there were in a month
//	EventIndex        event_index.go a list over all channels
//	Dispatcher        dispatcher.go  a message for each Endpoint (endpoint.go) that is to have it
//	Deliverer         deliverer.go   the attempts; what they wait for in between and how they end is in outbox.go
//
// # Why nothing is lost, repeated or out of order
//
// Everything behind the queue may crash between any two steps: a message is Done only when its event is in the log and
// every node was told, and until then it comes again. So each step can be done twice, or by two workers at once.
//
//   - The log is dense. A row is put only behind the tail, only where no row is, and stays. Of two workers one is refused
//     and looks again (log_place.go has the argument in full). Nothing is ever renumbered, and no number is used twice:
//     rows expire long after any message could come again, and a channel's head (log_tail.go) never does.
//   - An event is there once. Its claim (claim.go) says which number it has or is to have. The row at that number is the
//     truth, the claim the way to it.
//   - A group of the queue is one channel: its messages come in order, and one that fails takes the later ones back
//     with it. So each sender's events keep their order.
//   - The appender reads interest after the row is committed; a node reads the log after its interest is. Whichever is first,
//     one of the two sees the other, and a repeat is dropped by its number.
//   - A node that may have been taken for dead, because its lease (node_lease.go) may have lapsed or its inbox is gone, begins
//     again under another name (node.go): its interest is written anew and each channel read behind its own last number.
//   - A number that a reader does not find is waited for (log_hole.go), and given up only by saying so: a Gap, never silence.
//
// # The words
//
// A tenant owns sources, channels and keys. A channel is a named, ordered log of events. A cursor is a position in it: the
// number of the last event that somebody has. The floor is the oldest number that retention still shows. A node is one
// streaming process; its interest says which channels it serves, its inbox is where notices reach it.
//
// A slot is one connection's place under a limit. Nodes hold blocks of slots (block.go) of one count that they have in common, so that
// a connect asks nobody and the limit holds over all of them.
//
// # Tenants never meet
//
// The tenant is the first part of every Key: a read across tenants cannot be written down. It comes from the credential or
// from the source's token, never from what a request says, and "not yours" and "not there" are one error of kind NotFound.
//
// # The ports
//
// Table, Queue, Vault and Inboxes (ports.go) are all that an adapter fulfils. Rules are not in adapters: they are here, once, in
// concrete types over the ports. Package tenantstest holds the suites that every adapter passes, and simulations that fail in
// the ways that real engines do.
package tenants
