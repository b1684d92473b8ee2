package access

// Weighed counts the decisions for which Casbin was asked.
func (g *Gate) Weighed() int64 { return g.weighed.Load() }
