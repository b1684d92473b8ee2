package outgoing
