package node

import (
	"cmp"
	"slices"

	"github.com/hookcast/hookcast/tenants"
)

// TopCounts is how many connections the channel, the subject and the address have that have most of them.
type TopCounts struct{ Channel, Subject, IP int }

// busy is how many of a node's connections have something in common.
type busy struct {
	Of   string // "channel", "subject" or "ip"
	Name string
	N    int
}

// busyAtMost is how many of each sort a node tells of. What is not among those on a node can be among them on all together only
// where many have nearly as much.
const busyAtMost = 10

// busiestOf counts what connections have in common.
func busiestOf(list []tenants.Connection) (all []busy) {
	counts := make(map[busy]int)
	for _, c := range list {
		for _, name := range c.Channels {
			counts[busy{Of: "channel", Name: name}]++
		}
		if c.Principal != nil && c.Principal.Subject != "" {
			counts[busy{Of: "subject", Name: c.Principal.Subject}]++
		}
		if c.Remote != "" {
			counts[busy{Of: "ip", Name: Network(c.Remote)}]++
		}
	}
	for _, of := range []string{"channel", "subject", "ip"} {
		var some []busy
		for b, n := range counts {
			if b.Of == of {
				some = append(some, busy{b.Of, b.Name, n})
			}
		}
		slices.SortFunc(some, func(a, b busy) int { return cmp.Or(b.N-a.N, cmp.Compare(a.Name, b.Name)) })
		all = append(all, some[:min(len(some), busyAtMost)]...)
	}
	return all
}

// busiest adds up what nodes tell.
func busiest(told []busy) (most TopCounts) {
	sums := make(map[busy]int)
	for _, b := range told {
		k := busy{Of: b.Of, Name: b.Name}
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
