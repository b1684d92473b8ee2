// Package delivery sends events to the endpoints that want them, tries failed ones again, and shows the results.
//
// # The life of a delivery
//
// A delivery is one event for one endpoint. Its id follows from the two, so all processes name it alike.
//
//	Dispatcher.Dispatch  dispatcher.go  follows the table's change feed: a message for each new event and endpoint
//	Deliverer.Deliver    deliverer.go   handles ready messages: one attempt each (attempt.go), then the row
//	Deliverer.Forward    forward.go     moves waiting messages whose time has come to the ready queue
//	Deliveries           deliveries.go  lists, retries, cancels and replays deliveries for their tenant
//
// An ordered endpoint has one message for each channel instead, which walks the channel's log (ordered.go). Replays
// (replay_run.go) and the resumption of an ordered endpoint work page by page, each page a waiting message.
//
// # The two queues
//
// Ready is FIFO. An endpoint has as many groups (lanes) in it as its concurrency. A queue gives out one message of a
// group at a time, so the limit holds over all processes without a counter, and a slow endpoint fills its own lanes
// only. Waiting has no groups. It delays a message for 15 minutes at most; then Forward sends it on.
//
// # Rows, all of the tenant
//
//	dlv/{endpoint}  delivery id           Delivery, written by its first attempt, for 30 days after its last change
//	list/dead       delivery id           the endpoint of a dead delivery
//	list/replays    replay id             Replay
//	pump            {endpoint}/{channel}  how far an ordered endpoint is in a channel
//
// An endpoint's health, rate and state belong to package endpoint, which this package tells of each attempt.
//
// # Invariants
//
//   - A message is done only when its result is recorded or another message continues its work. Any step may happen
//     twice; the worst result is that an endpoint receives an event twice under the same message id.
//   - The next attempt's message is sent before the attempt is recorded. Messages for attempts that are recorded are
//     dropped, so the duplicates that a queue makes die out at the next attempt.
//   - Messages name their objects and carry none: each is read as it is when the work is done. Deployments overlap, so
//     every release understands the messages of the one before.
//
// The functions changes and deliver, and onebox, run it; package api serves Deliveries. Of a deleted
// tenant erasure removes list/dead and list/replays; the other rows expire.
package delivery
