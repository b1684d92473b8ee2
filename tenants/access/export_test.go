package access

// Weighed returns the number of decisions made by Casbin.
func (g *Gate) Weighed() int64 { return g.weighed.Load() }
