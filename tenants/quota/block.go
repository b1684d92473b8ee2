package quota

import (
	"encoding/hex"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// rowSlots holds a count that nodes have in common: {tenant}, "all", "channel/" and its name, or "subject/" and its hash. There is a row
// only where a limit is set and somebody connects. A row says how many slots each node holds; all together are never more than the
// limit. A node gives out what it holds without asking anybody.
//
// Every change is a conditional put at the version that was read, so that of two nodes that want the last slot one gets it. A node
// counts on what it holds only once the put has succeeded, and no longer from before it puts less; so the row never says less than
// what a node counts on. What a node holds ends with its lease: whoever finds too little free looks at the leases of the others, and
// leaves out those whose lease is over.
const rowSlots tenants.Kind = "slots"

// slotsRecord is a row's body.
type slotsRecord struct {
	Held   map[string]int // by the node's name
	Wanted time.Time      // when a node last wanted more than there was
}

const (
	slotsLife     = 48 * time.Hour // of a row that nobody puts again: longer than any write can be on its way, so that no version comes twice
	slotsRefresh  = 12 * time.Hour
	blockAtMost   = 256                    // slots taken ahead at once
	blockLinger   = time.Minute            // before what nobody uses goes back where nobody has asked for it
	wantedTrust   = 5 * time.Second        // how long a count is taken for contended once somebody went without
	wantedEvery   = time.Second            // how often going without is written down
	refusedTrust  = 300 * time.Millisecond // how long the answer that nothing is free is good for those who ask next
	returnAfter   = 100 * time.Millisecond // how long what is unused stays in a contended count, for those who come next here
	returnRetry   = time.Second
	blockTries    = 50 // of a put that others are ahead of
	blockCallTime = 5 * time.Second
)

// block is what this node holds of a common count. Admission's mu guards it.
type block struct {
	key     tenants.Key
	channel string // what is counted; both empty: all of the tenant's connections
	subject string

	life     string        // the incarnation that holds it: under another one it is worth nothing
	have     int           // slots that may be given out, those in use included
	row      int           // the most that the row may say that this node holds
	limit    int           // as it was last asked for
	others   int           // what other nodes held when the row was read last
	waiting  int           // Reserves that need one more
	inFlight chan struct{} // closed when the I/O under way has ended; nil: there is none
	tooFew   bool          // the last flight that took slots found fewer than were needed

	refused   time.Time // until when nothing is free
	contended time.Time // until when what is unused goes back soon
	returning bool      // a timer is set for that
	lastUse   time.Time // when the last slot came back
	put       time.Time // when the row was put last
	mayShed   bool      // connections that it has no slots for are to end: they came in under a life that is over
}

// empty tells whether the block holds nothing and nobody is about to change or look at that: of one count there is never more than one
// block. b may be nil.
func (b *block) empty() bool {
	return b == nil || b.have == 0 && b.row == 0 && b.waiting == 0 && b.inFlight == nil && !b.returning
}

// elsewhere is what other nodes hold of the count, as far as this one knows. b may be nil.
func (b *block) elsewhere() int {
	if b == nil {
		return 0
	}
	return b.others
}

func newBlock(t tenants.TenantID, channel, subject string) *block {
	b := &block{key: tenants.Key{Tenant: t, Kind: rowSlots, Sort: "all"}, channel: channel, subject: subject}
	switch {
	case channel != "":
		b.key.Sort = "channel/" + channel
	case subject != "": // any text
		sum := tenants.HashParts(subject)
		b.key.Sort = "subject/" + hex.EncodeToString(sum[:16])
	}
	return b
}

// blockSize is how many slots a node takes that needs so many, of so many free for it: more than it needs where there are plenty, so that the
// next ones cost nothing, and ever fewer as the pool empties.
func blockSize(need, have, free, live int, contended bool) int {
	if need >= free || contended {
		return min(need, max(free, 0))
	}
	return min(free, max(have, need+min(blockAtMost, (free-need)/(4*live))))
}
