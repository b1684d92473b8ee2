// Package relay runs upstreams (package tenants/upstream) for this node and passes their events to the hub, with a
// goroutine for each upstream and none for each listener.
//
// An upstream of one caller writes into a channel in this node's memory (Memory), which the hub serves like any
// other, so that the hub's handling of sockets, slow readers and departures applies here too. The other server is
// read no faster than the caller takes its events.
//
// A shared upstream writes into a channel of the log, the way that all events take, and exactly one node runs it
// (proxy.Runs). The other nodes follow: they listen to the channel, and one takes over when the running node
// is gone. The log can resend events that the other server cannot.
//
// Either way the upstream is closed when its last listener has left.
package relay
