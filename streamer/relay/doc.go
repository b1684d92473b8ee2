// Package relay runs upstreams (package tenants/upstream) for this node and hands what they bring to the hub, a goroutine for each
// upstream and none for each listener.
//
// An upstream of one caller goes into a channel that lives in this node's memory (Memory): the hub serves it as any other, so that all it
// knows about sockets, slow readers and those who leave holds here as well. The other server is read no faster than the caller takes it.
//
// A shared upstream goes into a channel of the log, by the way that all events take, and exactly one node runs it (tenants.ProxyRuns).
// The others follow: they listen to the channel, and take over when the node that runs it is gone. What the other server cannot send again
// the log can.
//
// Either way the upstream is closed when the last one has left.
package relay
