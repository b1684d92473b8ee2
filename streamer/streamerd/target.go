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

// askTime bounds a question to the balancer or to the task's metadata.
const askTime = 5 * time.Second

// target is this process as its balancer has it. ECS tells a task that it has to go only once the balancer has let go of it, which breaks
// all of its connections at one blow; the balancer says so 130 s earlier, to whoever asks.
type target struct {
	balancer interface {
		DescribeTargetHealth(context.Context, *elb.DescribeTargetHealthInput, ...func(*elb.Options)) (*elb.DescribeTargetHealthOutput, error)
	}
	group    string // "" where there is no balancer
	port     string
	metadata string // of the task: where it is asked for its own address
	every    time.Duration
	log      *slog.Logger
}

func newTarget(cfg aws.Config, group, address string, log *slog.Logger) *target {
	_, port, _ := net.SplitHostPort(address)
	return &target{
		balancer: elb.NewFromConfig(cfg), group: group, port: port, metadata: os.Getenv("ECS_CONTAINER_METADATA_URI_V4"),
		every: 5 * time.Second, log: log,
	}
}

// draining returns a channel that is closed once the balancer takes this target out.
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
				t.log.Warn("the balancer does not say how this target is", "error", err)
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
	out, err := t.balancer.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &t.group, Targets: []types.TargetDescription{me}})
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

// self asks for the task's address, under which the balancer knows it
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
