package node

import (
	"cmp"
	"slices"

	"github.com/hookcast/hookcast/tenants"
)

// TopCounts is how many connections the channel, the subject and the address have that have most of them.
type TopCounts struct{ Channel, Subject, IP int }

// topCount is how many of a node's connections have something in common.
type topCount struct {
	Of   string // "channel", "subject" or "ip"
	Name string
	N    int
}

// topCountsPerKind is how many of each sort a node tells of. What is not among those on a node can be among them on all together only
// where many have nearly as much.
const topCountsPerKind = 10

// topCounts counts what connections have in common.
func topCounts(list []tenants.Connection) (all []topCount) {
	counts := make(map[topCount]int)
	for _, c := range list {
		for _, name := range c.Channels {
			counts[topCount{Of: "channel", Name: name}]++
		}
		if c.Principal != nil && c.Principal.Subject != "" {
			counts[topCount{Of: "subject", Name: c.Principal.Subject}]++
		}
		if c.Remote != "" {
			counts[topCount{Of: "ip", Name: tenants.Network(c.Remote)}]++
		}
	}
	for _, of := range []string{"channel", "subject", "ip"} {
		var some []topCount
		for b, n := range counts {
			if b.Of == of {
				some = append(some, topCount{b.Of, b.Name, n})
			}
		}
		slices.SortFunc(some, func(a, b topCount) int { return cmp.Or(b.N-a.N, cmp.Compare(a.Name, b.Name)) })
		all = append(all, some[:min(len(some), topCountsPerKind)]...)
	}
	return all
}

// sumTopCounts adds up what nodes tell.
func sumTopCounts(told []topCount) (most TopCounts) {
	sums := make(map[topCount]int)
	for _, b := range told {
		k := topCount{Of: b.Of, Name: b.Name}
		sums[k] += b.N
		switch n := sums[k]; b.Of {
		case "channel":
			most.Channel = max(most.Channel, n)
		case "subject":
			most.Subject = max(most.Subject, n)
		case "ip":
			most.IP = max(most.IP, n)
		}
	}
	return most
}
