package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
)

// populate creates tenants, channels, senders and subscribers; those in lates join during the storm.
func (s *storm) populate(chaos *rand.Rand, join func(*subscriber, time.Duration)) (owners map[string]endtoend.Tenant,
	senders []*sender, lates []*subscriber) {
	owners = make(map[string]endtoend.Tenant)
	for i := range stormTenants {
		name, seed := fmt.Sprintf("t%02d", i), chaos.Uint64()
		owner := s.Signup(s.t, name)
		owners[name] = owner
		var channels []string
		for c := range stormChannels {
			channels = append(channels, fmt.Sprintf("c%d", c))
		}
		token := s.Token(s.t, owner, "page", channels...)
		join(s.subscriber(name+" all channels", name, token, i%2 == 0, seed, channels...), 0)
		for c, channel := range channels {
			source := s.GitHubSource(s.t, owner, channel)
			for p := range 1 + c%2 {
				who := posted{Tenant: name, Channel: channel, Sender: fmt.Sprintf("s%d", p)}
				senders = append(senders, &sender{s: s, source: source, who: who,
					chaos: rand.New(rand.NewPCG(seed, uint64(10*c+p)))})
			}
			subscriber := func(kind string, roams bool, n uint64) *subscriber {
				return s.subscriber(name+"/"+channel+" "+kind, name, token, roams, seed+10*uint64(c)+n, channel)
			}
			join(subscriber("stays", false, 1), 0)
			join(subscriber("comes and goes", true, 2), 0)
			if c == 0 {
				lates = append(lates, subscriber("comes late", true, 3))
			}
		}
	}
	return owners, senders, lates
}
