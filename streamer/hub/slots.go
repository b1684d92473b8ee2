package hub

import "sync"

// slot identifies a connection to the kernel and in lists: an index, and a generation, so that a later connection
// with the same index is not mistaken for it.
type slot struct{ index, generation uint32 }

// slots holds every connection of the hub.
type slots struct {
	mu    sync.Mutex
	conns []*Conn
	gens  []uint32
	free  []uint32
}

// add gives c a slot.
func (s *slots) add(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		c.slot.index = s.free[n-1]
		s.free = s.free[:n-1]
		s.conns[c.slot.index] = c
	} else {
		c.slot.index = uint32(len(s.conns))
		s.conns = append(s.conns, c)
		s.gens = append(s.gens, 0)
	}
	c.slot.generation = s.gens[c.slot.index]
}

// get returns the connection in the slot; nil if it is gone.
func (s *slots) get(at slot) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(at.index) >= len(s.conns) || s.gens[at.index] != at.generation {
		return nil
	}
	return s.conns[at.index]
}

func (s *slots) remove(at slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gens[at.index] == at.generation {
		s.conns[at.index] = nil
		s.gens[at.index]++
		s.free = append(s.free, at.index)
	}
}

// stride appends every step-th connection, starting at first.
func (s *slots) stride(dst []*Conn, first, step int) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := first; i < len(s.conns); i += step {
		if c := s.conns[i]; c != nil {
			dst = append(dst, c)
		}
	}
	return dst
}

func (s *slots) all() []*Conn { return s.stride(nil, 0, 1) }
