// Package quota keeps connections within a tenant's limits. An Admission gives out slots: a connection reserves one
// before it is opened, confirms it when it is there, and releases it at its end.
//
// The streamer calls it for each connect, before it serves events to the client. A process of its own uses New and
// counts for itself. Nodes that serve the same tenants use NewShared. Limits per tenant, per channel and per subject
// then hold over all nodes, strictly; limits per address and per second hold on each node for its share of them,
// approximately.
//
// # Rows
//
//	slots  tenant, "all", "channel/"+name or "subject/"+hash   how many slots of one limit each node holds
//
// # How nodes share a limit
//
// Each node holds a block of a limit's slots and gives them out without asking anybody. When the block is empty it
// takes more from the row, more than it needs if there are plenty. When too few are free it leaves out nodes whose
// leases are over, and orders the others to return what they do not use (tenants.OrderReturn).
//
// # Invariants
//
//   - The numbers in a row never add up to more than the limit; every change is a put at the version that was read.
//   - A row never says less than what a node gives out: the node counts on more after the put, and on less before it.
//   - A block belongs to one name of the node, see package node. Under a new name the node takes slots again for the
//     connections that are open (Retake), and ends those for which there are none.
//   - mu guards everything in memory, and is not held during I/O. A block has at most one I/O at a time (runIO).
package quota
