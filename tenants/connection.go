package tenants

import (
	"context"
	"fmt"
	"time"
)

// Order is something that a node is to do. What it asks for is answered by rows list/answers of the tenant.
type Order struct {
	Do         string
	Ask        string     // what the answer is found under; "": none is wanted
	Channel    string     // OrderReturn: the slots of this channel,
	Subject    string     // or of this subject; both empty: of the tenant
	Connection string     // OrderClose, OrderRenew
	Principal  *Principal // OrderRenew: under whom the connection goes on
	After      string     // OrderList: the position behind which to list,
	Limit      int        // and how many at most; 0: they are only counted
	Run        string     // OrderLetGo
}

const OrderReturn = "return" // give back the slots that are not in use

const OrderList = "list" // tell which connections there are

const OrderClose = "close" // end a connection

const OrderRenew = "renew" // have a connection go on under another credential

const OrderLetGo = "let-go" // see whether anybody still wants a proxy's run that the node runs

// Connection describes a live connection.
type Connection struct {
	ID        string
	Channels  []string
	Principal *Principal
	Transport string
	Remote    string
	Since     time.Time
	Cursor    string // "" before the first frame
	Backlog   int64  // bytes that the channels have and the connection was not given yet
	Sent      int64  // bytes
}

// Position is where the connection stands in a list: the oldest first.
func (c Connection) Position() string { return fmt.Sprintf("%019d/%s", c.Since.UnixNano(), c.ID) }

// LocalConnections are the connections of one node.
type LocalConnections interface {
	Connections(t TenantID) []Connection
	// Disconnect ends the tenant's connection of that id; false: there is none.
	Disconnect(t TenantID, id string) bool
	// Renew has the tenant's connection of that id go on under p. There is none: NotFound connection_not_found. p is not whom it was
	// opened by (see Principal.SameAs): Forbidden connection_of_another. p may not listen to each of its channels: Forbidden
	// channel_forbidden. Whether p may could not be found out: Unavailable; the connection is as it was.
	Renew(ctx context.Context, t TenantID, id string, p *Principal) error
}

// NoConnection is the error about a connection that is not there.
func NoConnection() error {
	return Errorf(NotFound, "connection_not_found", "there is no such connection")
}
