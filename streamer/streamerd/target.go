package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// askTime bounds a request to the balancer or to the task's metadata.
const askTime = 5 * time.Second

// target is this process as its balancer sees it. ECS stops a task only after the balancer has deregistered it, which
// breaks all of its connections at once; the balancer reports the deregistration 130 s earlier to those who ask.
type target struct {
	balancer interface {
		DescribeTargetHealth(
			context.Context, *elb.DescribeTargetHealthInput, ...func(*elb.Options),
		) (*elb.DescribeTargetHealthOutput, error)
	}
	group    string // "": there is no balancer
	port     string
	metadata string // of the task, where it can read its own address
	every    time.Duration
	log      *slog.Logger
}

func newTarget(cfg aws.Config, group, address string, log *slog.Logger) *target {
	_, port, _ := net.SplitHostPort(address)
	return &target{
		balancer: elb.NewFromConfig(cfg), group: group, port: port, every: 5 * time.Second, log: log,
		metadata: os.Getenv("ECS_CONTAINER_METADATA_URI_V4"),
	}
}

// draining returns a channel that is closed once the balancer deregisters this target.
func (t *target) draining(ctx context.Context) <-chan struct{} {
	if t.group == "" {
		return nil
	}
	out := make(chan struct{})
	go func() {
		tick := time.NewTicker(t.every)
		defer tick.Stop()
		var me *types.TargetDescription
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var err error
			if me == nil {
				me, err = t.self(ctx)
			}
			var leaving bool
			if err == nil {
				leaving, err = t.leaving(ctx, *me)
			}
			if err != nil && ctx.Err() == nil {
				t.log.Warn("cannot read the target's health from the balancer", "error", err)
			}
			if leaving {
				close(out)
				return
			}
		}
	}()
	return out
}

func (t *target) leaving(ctx context.Context, me types.TargetDescription) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	out, err := t.balancer.DescribeTargetHealth(ctx,
		&elb.DescribeTargetHealthInput{TargetGroupArn: &t.group, Targets: []types.TargetDescription{me}})
	if err != nil {
		return false, err
	}
	for _, d := range out.TargetHealthDescriptions {
		if d.TargetHealth != nil && d.TargetHealth.State == types.TargetHealthStateEnumDraining {
			return true, nil
		}
	}
	return false, nil
}

// self reads the task's address, by which the balancer knows it
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html).
func (t *target) self(ctx context.Context) (*types.TargetDescription, error) {
	port, err := strconv.ParseInt(t.port, 10, 32)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.metadata, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var container struct {
		Networks []struct{ IPv4Addresses []string }
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, res.Body, 1<<20)).Decode(&container); err != nil {
		return nil, err
	}
	for _, n := range container.Networks {
		for _, ip := range n.IPv4Addresses {
			return &types.TargetDescription{Id: aws.String(ip), Port: aws.Int32(int32(port))}, nil
		}
	}
	return nil, errors.New("the task's metadata has no address")
}
