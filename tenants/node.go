package tenants

// NodeKey is the key of a node's lease: the row is there, and not past its expiry, for as long as the node lives. Its Sort is the
// name of the node's inbox.
func NodeKey(node string) Key { return Key{System, rowNodes, node} }
