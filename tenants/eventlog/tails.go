package eventlog

import (
	"container/list"
	"sync"

	"github.com/hookcast/hookcast/tenants"
)

// tailsAtMost is how many tails a process remembers, of about 300 bytes each.
const tailsAtMost = 10_000

// tailCache remembers the tails of the channels that were appended to last.
type tailCache struct {
	mu    sync.Mutex
	byKey map[tenants.ChannelKey]*list.Element // of tailEntry
	order list.List                            // most recently used first
}

type tailEntry struct {
	key  tenants.ChannelKey
	tail tail
}

func (c *tailCache) get(ch tenants.ChannelKey) (tail, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.byKey[ch]
	if !ok {
		return tail{}, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*tailEntry).tail, true
}

// put remembers t, unless the remembered tail was read later, or at the same time and is further: two goroutines may
// append to one channel at once.
func (c *tailCache) put(ch tenants.ChannelKey, t tail) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byKey[ch]; ok {
		e := el.Value.(*tailEntry)
		if !(e.tail.read.Equal(t.read) && e.tail.seq > t.seq) && !e.tail.read.After(t.read) {
			e.tail = t
		}
		c.order.MoveToFront(el)
		return
	}
	c.byKey[ch] = c.order.PushFront(&tailEntry{ch, t})
	if c.order.Len() > tailsAtMost {
		oldest := c.order.Back()
		c.order.Remove(oldest)
		delete(c.byKey, oldest.Value.(*tailEntry).key)
	}
}

// setHead remembers the head as just read or written, and that the channel has its record.
func (c *tailCache) setHead(ch tenants.ChannelKey, t tail) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byKey[ch]; ok {
		e := el.Value.(*tailEntry)
		e.tail.headSeq, e.tail.headWas, e.tail.listed = t.headSeq, t.headWas, true
	}
}
