package main

import (
	"context"
	"log/slog"

	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/awsports"
	"github.com/hookcast/hookcast/streamer/tier"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/backend"
	"github.com/hookcast/hookcast/tenants/node"
)

// trustedHops counts the load balancer, the only proxy in front of a node.
const trustedHops = 1

// streamer is a node of the AWS form.
type streamer struct {
	*tier.Tier
	env *awsenv.Env
	log *slog.Logger
}

// open wires the node over the adapters that env names, and joins the other nodes.
func open(ctx context.Context, env *awsenv.Env) (*streamer, error) {
	ports, inboxes := awsports.Open(env)
	b, err := backend.Open(ctx, ports)
	if err != nil {
		return nil, err
	}
	if err := b.Keys.EnsureOperatorHash(ctx, env.Get(awsenv.OperatorKeyHash)); err != nil {
		return nil, err
	}
	s := &streamer{env: env, log: env.Logger, Tier: tier.New(node.Options{
		Table: ports.Table, Inboxes: inboxes, Maker: inboxes, Logger: env.Logger,
		Open: func(node string) tenants.Inbox {
			inbox := inboxes.Open(node)
			inbox.Logger = env.Logger
			return inbox
		},
	})}
	if err := s.Node.Join(ctx); err != nil {
		return nil, err
	}
	s.Open(b, tier.Options{
		SignupOpen: env.SignupOpen(), PublicURL: env.Get(awsenv.PublicURL), TrustedHops: trustedHops,
	})
	return s, nil
}
