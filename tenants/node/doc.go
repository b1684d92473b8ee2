// Package node makes streaming processes know each other. A Node is one such process: it holds a lease that says that
// it is alive, reads an inbox, and serves the subscribers that are connected to it.
//
// In the life of an event this package stands between the log and the subscribers. The appender (package intake)
// stores the event, asks Interest which nodes have subscribers of the channel, and sends one notice to the inbox of
// each. The node hands the notice to its Fanout (streamer/hub), which writes to the sockets. The same inbox carries
// orders: requests to list, close or renew connections, sent by Connections for the admin API, and requests to return
// unused slots.
//
// # Rows
//
//	list/nodes          System, node                 a lease: the node lives while the row has not expired
//	interest/{channel}  tenant, node                 how many subscribers the node has, a moment ago
//	heard               tenant, channel              whether the client of a bound channel listens
//	list/answers        tenant, order/node/page      a node's answer to an order, kept for a minute
//
// # Who calls it
//
// The streaming processes run a Node. The appender and the hub use Interest; package quota shares slots through a
// Node and its Slots port; package api lists and closes connections; package proxy asks Nodes who lives; a timer runs
// Sweep.
//
// # Invariants
//
//   - A name is used once. A node whose lease may have lapsed begins again under a new name, and passes on nothing that
//     came under the old one after that. So Nodes.Gone never has to be taken back.
//   - A node trusts its lease for less time than others do, and by two clocks. So it stops before others replace it.
//   - A node writes its interest before it reads the log; the appender writes an event before it reads interest. So
//     one of the two sees the other.
//   - Notices and orders may be lost or come twice. Nothing depends on one: nodes also compare versions, read the log
//     and see leases expire.
package node
