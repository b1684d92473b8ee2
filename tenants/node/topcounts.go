package node

import (
	"cmp"
	"slices"

	"github.com/hookcast/hookcast/tenants"
)

// TopCounts holds the number of connections of the channel, of the subject and of the network that have the most.
type TopCounts struct{ Channel, Subject, IP int }

// topCount is the number of a node's connections that share a channel, subject or network. It is stored in answers.
type topCount struct {
	Of   string // "channel", "subject" or "ip"
	Name string
	N    int
}

// topCountsPerKind bounds the topCounts in an answer. A name that is not among them on any node can still be among the
// first over all nodes, but then many others have nearly as many connections.
const topCountsPerKind = 10

// topCounts returns the largest counts of one node's connections, per kind.
func topCounts(list []tenants.Connection) (top []topCount) {
	counts := make(map[topCount]int)
	for _, c := range list {
		for _, name := range c.Channels {
			counts[topCount{Of: "channel", Name: name}]++
		}
		if c.Principal != nil && c.Principal.Subject != "" {
			counts[topCount{Of: "subject", Name: c.Principal.Subject}]++
		}
		if c.Remote != "" {
			counts[topCount{Of: "ip", Name: Network(c.Remote)}]++
		}
	}
	byKind := make(map[string][]topCount)
	for c, n := range counts {
		byKind[c.Of] = append(byKind[c.Of], topCount{c.Of, c.Name, n})
	}
	for _, of := range []string{"channel", "subject", "ip"} {
		some := byKind[of]
		slices.SortFunc(some, func(a, b topCount) int { return cmp.Or(b.N-a.N, cmp.Compare(a.Name, b.Name)) })
		top = append(top, some[:min(len(some), topCountsPerKind)]...)
	}
	return top
}

// sumTopCounts adds up the counts of several nodes and returns the largest sums.
func sumTopCounts(counts []topCount) (top TopCounts) {
	sums := make(map[topCount]int)
	largest := map[string]*int{"channel": &top.Channel, "subject": &top.Subject, "ip": &top.IP}
	for _, c := range counts {
		k := topCount{Of: c.Of, Name: c.Name}
		sums[k] += c.N
		if n := largest[c.Of]; n != nil {
			*n = max(*n, sums[k])
		}
	}
	return top
}
