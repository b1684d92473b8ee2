// Package hub fans events out to the connections of one process.
//
// Every subscriber is a cursor over its channel's log, and live fan-out is the fast path of that. A topic (a tenant's channel
// on this node) keeps the recent events in a bounded ring; a subscriber that has everything gets the next frame straight from
// it, in one write shared by all. One whose socket is full keeps the unsent end of one frame and falls behind; once it
// can be written to again it goes on from the ring, or from the log where the ring has passed it. So a slow reader costs
// a position, never a queue.
//
// A topic is served as design goes for a subscriber: first its interest is committed, then the log is read, then it is live.
// The appender reads interest after the log row is committed, so that an event is in at least one of the two. From then on a
// notice with the next number is written out, a hole makes the topic read the log, and a repeat is dropped. Now and then the log
// is asked for rows past the last number, so that a lost notice delays an event and loses none.
//
// All of a topic's state belongs to whichever worker runs it; everyone else posts operations to its mailbox. Workers are
// few, take topics round robin over tenants, and leave a long fan-out after a chunk of it, so that no tenant waits for
// another one's crowd. A connection's write state has a mutex of its own, since its channels' topics, heartbeats and the
// poller all write to it. No idle connection has a goroutine, a timer or a buffer.
package hub
