// Package hub fans events out to the connections of one process.
//
// Every subscriber is a cursor over its channel's log, and live fan-out is the fast path of that. A topic (a tenant's
// channel on this node) keeps recent events in a bounded ring. A subscriber that has everything gets the next frame
// straight from the ring, in one write of bytes shared by all. A subscriber whose socket is full keeps the unsent
// rest of one frame and falls behind; once its socket accepts bytes again, it continues from the ring, or from the
// log if the ring has moved on. So a slow reader costs a position, never a queue.
//
// A topic starts in this order: its interest is committed, then the log is read, then it is live. The appender reads
// interest after it has committed a log row, so that each event is in at least one of the two. From then on a notice
// with the next number is written out, a missing number makes the topic read the log, and a repeat is dropped. From
// time to time the topic reads the log past its last number, so that a lost notice delays an event and loses none.
//
// All of a topic's state belongs to the worker that runs it; everyone else posts operations to its mailbox. There are
// few workers; they take topics round robin over tenants and leave a long fan-out after a chunk of it, so that no
// tenant waits for another tenant's subscribers. A connection's write state has a mutex of its own, because its
// channels' topics, heartbeats and the poller all write to it. An idle connection has no goroutine, no timer and no
// buffer.
package hub
