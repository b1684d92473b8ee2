package hub

import "sync"

// slot names a connection to the kernel and to lists: an index, and a generation so that a connection that came later to the same
// place is not taken for it.
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

// get returns the connection in the slot; nil: it is gone.
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

// column appends every step-th connection from the first on.
func (s *slots) column(dst []*Conn, first, step int) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := first; i < len(s.conns); i += step {
		if c := s.conns[i]; c != nil {
			dst = append(dst, c)
		}
	}
	return dst
}

func (s *slots) all() []*Conn { return s.column(nil, 0, 1) }
