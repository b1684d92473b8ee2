package quota

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// rowSlots is the kind of a shared count: {tenant}, "all", "channel/"+name or "subject/"+hash. A row exists only if
// there is a limit and a client has connected.
const rowSlots tenants.Kind = "slots"

// slotsRecord is the body of a shared count.
type slotsRecord struct {
	Held   map[string]int // slots by the node's name
	Wanted time.Time      // when a node last got fewer than it needed
}

const (
	// slotsLife is how long a row lives after its last put: longer than any write can be delayed, so that no version is
	// used twice.
	slotsLife     = 48 * time.Hour
	slotsRefresh  = 12 * time.Hour
	blockAtMost   = 256                    // slots that are taken in advance at once
	blockLinger   = time.Minute            // how long unused slots stay in a block that nobody else needs
	wantedTrust   = 5 * time.Second        // how long a count is contended after a node got too few
	wantedEvery   = time.Second            // how often that is recorded
	refusedTrust  = 300 * time.Millisecond // how long a refusal is repeated without I/O
	returnAfter   = 100 * time.Millisecond // how long unused slots of a contended count stay for the next client here
	returnRetry   = time.Second
	blockCallTime = 5 * time.Second
)

// block is the part of a shared count that this node holds. Admission.mu guards it.
type block struct {
	key     tenants.Key
	channel string // what is counted; if both are "", all connections of the tenant
	subject string
	full    refusal // for a connection that gets no slot

	life     string        // the name of the node that holds the block; under another name it is worth nothing
	have     int           // slots that may be given out, those in use included
	row      int           // the most that the row may say that this node holds
	limit    int           // of the last Reserve that took slots
	others   int           // what other nodes held at the last read of the row
	waiting  int           // Reserves that need one more slot
	inFlight chan struct{} // closed at the end of the present I/O; nil if there is none
	tooFew   bool          // the last takeSlots got fewer than were needed

	refused   time.Time // until then there are no free slots
	contended time.Time // until then unused slots are returned soon
	returning bool      // a timer for that is running
	lastUse   time.Time // when the last slot came back
	put       time.Time // when the row was last put
	mayShed   bool      // connections without a slot are to end: they were opened under a former name
}

// empty reports whether the block holds nothing and is not in use, so that it can be removed: a count must never have
// two blocks. b may be nil.
func (b *block) empty() bool {
	return b == nil || b.have == 0 && b.row == 0 && b.waiting == 0 && b.inFlight == nil && !b.returning
}

func newBlock(t tenants.TenantID, channel, subject string) *block {
	k := tenants.Key{Tenant: t, Kind: rowSlots, Sort: "all"}
	b := &block{key: k, channel: channel, subject: subject, full: tenantFull}
	switch {
	case channel != "":
		b.full, b.key.Sort = channelFull, "channel/"+channel
	case subject != "": // which may be any text
		sum := tenants.HashParts(subject)
		b.full, b.key.Sort = subjectFull, "subject/"+hex.EncodeToString(sum[:16])
	}
	return b
}

// blockSize returns how many slots a node takes that needs and has a number of slots, when free slots are not held by
// other nodes. It is more than needed if there are plenty, so that the next connects cost nothing, and decreases as the
// free slots do.
func blockSize(need, have, free, live int, contended bool) int {
	if need >= free || contended {
		return min(need, max(free, 0))
	}
	return min(free, max(have, need+min(blockAtMost, (free-need)/(4*live))))
}

// others returns what other nodes hold. What this node held under former names is its own and leaves the record.
func (r *slotsRecord) others(life string, former []string) (sum int) {
	for _, name := range former {
		delete(r.Held, name)
	}
	for node, n := range r.Held {
		if node != life {
			sum += n
		}
	}
	return sum
}

// nodes returns the nodes that hold slots, but for one, in order.
func (r *slotsRecord) nodes(but string) (names []string) {
	for node := range r.Held {
		if node != but {
			names = append(names, node)
		}
	}
	slices.Sort(names)
	return names
}

// hold sets what a node holds.
func (r *slotsRecord) hold(node string, n int) {
	if r.Held == nil {
		r.Held = make(map[string]int)
	}
	if r.Held[node] = n; n == 0 {
		delete(r.Held, node)
	}
}
