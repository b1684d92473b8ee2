// Package tenants is the domain of Hookcast: its nouns, its errors, and the ports to what it stands on. Its rules are
// in the packages below it, its rooms. It serves no HTTP and knows no AWS and no SQL. Read this page, then follow an
// event through the rooms.
//
// # The life of an event
//
// A provider (GitHub, Stripe, …) posts a webhook to the URL of a source.
//
//	intake.Receiver    finds the source by the URL's token (source.Sources), verifies the signature over the raw bytes
//	                   (source.Verifier, package signing), and gives the event its id, its type and, by the source's
//	                   template (source.Template), its channel
//	intake.Intake      checks it against the tenant's limits, recognizes a repeated delivery (eventlog.Log.Recognise),
//	                   and sends it to the ingest queue
//
// Now the event is durable, and the provider gets its 2xx, never before. A tenant's own program enters by
// intake.Publisher and takes the same way from Intake on: there is one way in. The event's id follows from the
// tenant, the source and the provider's id of the delivery (or the publisher's own id), so a retry is the same event
// at every later step; without such an id each request is an event.
//
//	intake.Appender    takes a batch of one channel from the queue, in order
//	eventlog.Log       gives each event the channel's next number 1, 2, 3, … and stores it (Log.Append)
//	node.Interest      lists the streaming nodes that hold subscribers of the channel
//	Inboxes.Send       carries one InboxMessage to each of them; then Queue.Done
//
// A node (node.Node; its hub is package streamer/hub) writes the events to its subscribers' sockets. If a number is
// missing, and whenever a subscriber connects, it reads the log: eventlog.Log.Read returns the events after a cursor,
// or the Gap that retention has left (eventlog/gap.go). A connection needs a slot under its tenant's limits
// (quota.Admission).
//
// The table's change feed has every row of the log at least once, in no order to rely on. What follows from it:
//
//	projection         counts the month's events and lists the events of all channels
//	delivery           posts the event to the tenant's endpoints: Dispatcher, then Deliverer, signed by
//	                   endpoint.Endpoints.Prepare
//
// # The rooms
//
// Arrows point down: a room imports rooms of lower floors alone (imports_test.go). Each has a doc.go with what it
// owns, its rows, and its invariants.
//
//	7  erasure     removes a deleted tenant everywhere
//	6  job         channels that show slow work and end       proxy       other servers' event streams
//	5  intake      from a request to the log and the nodes    delivery    from the log to endpoints, with retries
//	4  source      inbound webhooks, routing, verification    endpoint    outbound webhooks, health, signing
//	3  account     tenants, API keys, signers, audit          quota       connection slots
//	2  eventlog    numbers, reading, gaps                     projection  usage and the index of events
//	   node        leases, inboxes, interest, presence        trace       recorded steps of an event
//	   keyring     keys that one deployment derives
//	1  record      bodies of rows, compare-and-swap           worker      pools and batches
//	   cache       memory with an age                         hidden      fields that a principal must not see
//	   outgoing    header rules of outgoing requests
//
// Around them: signing (webhook schemes), access (Casbin), token (JWT), filter (CEL), egress (requests to tenants'
// addresses), upstream and eventstream (other servers' streams), envelope and problem (JSON forms), api (the admin
// API), backend (the composition of it all), tenantstest (simulations; contract: suites; rig: shared by
// tests of several rooms).
//
// # Why nothing is lost, repeated or out of order
//
// Everything after the queue may crash between any two steps. A message is Done only when its event is in the log and
// every node was told; until then it comes again. So each step can run twice, or in two workers at once.
//
//   - The log is dense. A row is put only after the tail, only where there is no row, and stays. Of two workers one is
//     refused and looks again (eventlog/place.go has the argument). No number is used twice: rows expire long after any
//     message could come again, and a channel's head never expires.
//   - An event is there once. Its claim (eventlog/claim.go) holds the number it has or will have. The row at that
//     number is the truth, the claim the way to it.
//   - A group of the ingest queue is one channel. If a message fails, the later ones of its channel wait behind it.
//   - The appender reads interest after the row is committed; a node reads the log after its interest is committed. One
//     of the two sees the other, and a repeat is dropped by its number.
//   - A node whose lease may have lapsed, or whose inbox is gone, begins again under another name (node.Node).
//   - A number that a reader does not find is waited for, and given up only with a Gap in the stream
//     (eventlog/gap.go).
//
// # The words
//
// A tenant owns sources, endpoints, channels and keys. A channel is a named, ordered log of events. A cursor is a
// position in it: the number of the last event read. The floor is the oldest number that retention still shows. A
// node is one streaming process, an incarnation one life of its lease; its interest names the channels it serves, and
// its inbox receives messages. A slot is one connection's place under a limit. Each node holds a block of slots, and
// the blocks together never exceed the limit.
//
// # Tenants never meet
//
// The tenant is the first part of every Key: no Key or Range can span tenants. It comes from the credential or from
// the source's token, never from what a request says. "Not yours" and "not there" are one error of kind NotFound. A
// room whose rows must go with their tenant names them (Kinds) for package erasure; others expire.
//
// # Where to add what
//
//	a webhook provider      a row of package signing's table, with its vectors and their count (vectors_test.go)
//	a route                 a row of api/routes.go (right, audit action), a handler, and api/openapi.yaml
//	a limit                 a field of Limits, its row, the plans (limit.go), openapi.yaml; the check: intake/doc.go
//	                        (rate, size, month, channels), quota (connections), eventlog/gap.go (retention), or
//	                        Create where a thing is registered
//	another database        Table and Feed of ports.go, as infra/sqlite; tenantstest/contract says when it is right
//	an event of our own     a type constant in the room that sends it, by intake.Notices or intake.Intake.Send
package tenants
