// Command streamerd is a streaming node of a deployment on AWS: it holds browsers' connections and serves the API
// next to them.
//
// Its environment locates the deployment (infra/awsenv). It runs until SIGTERM, or until its balancer begins to
// deregister it, and then ends its connections over 100 s.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/hookcast/hookcast/infra/awsenv"
)

const (
	drainTime = 100 * time.Second // a task has 120 s from SIGTERM on
	endTime   = 10 * time.Second  // then, for requests in progress
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	env := awsenv.Start("streamerd", awsenv.Table, awsenv.IngestQueue, awsenv.DeliverQueue, awsenv.WaitingQueue,
		awsenv.KMSKey, awsenv.PublicURL, awsenv.OwnHosts, awsenv.InboxPrefix,
		awsenv.Signup, awsenv.OperatorKeyHash, awsenv.Address)
	ln, err := net.Listen("tcp", env.Get(awsenv.Address))
	env.Must(err)
	s, err := open(ctx, env)
	env.Must(err)
	env.Ready()
	err = s.serve(ctx, ln, newTarget(env.Config, env.Get(awsenv.TargetGroup), env.Get(awsenv.Address), env.Logger))
	s.Hub.Close()
	env.Must(err)
}

// serve serves on ln until ctx ends or the target is deregistered, then drains.
func (s *streamer) serve(ctx context.Context, ln net.Listener, t *target) error {
	working, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { s.Run(working) })
	work.Go(func() { s.measure(working, time.Minute) })
	defer func() {
		stop()
		work.Wait()
		s.Leave()
	}()
	served := make(chan error, 1)
	go func() { served <- s.App.Serve(ln) }()
	watching, unwatch := context.WithCancel(ctx)
	defer unwatch()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		s.log.Info("draining", "why", "signal", "for", drainTime.String())
	case <-t.draining(watching):
		s.log.Info("draining", "why", "target", "for", drainTime.String())
	}
	draining, cancel := context.WithTimeout(context.Background(), drainTime+endTime)
	defer cancel()
	err := s.App.Drain(draining, drainTime)
	<-served
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // clients still connected have had their time
	}
	return err
}

// measure writes the number of connections, which controls the number of nodes, and the number of dropped trace
// records.
func (s *streamer) measure(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		s.env.MeasureAll(slog.Int64("Connections", s.Hub.Stats().Connections))
		s.Tracer.Measure(s.env.Measure)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
