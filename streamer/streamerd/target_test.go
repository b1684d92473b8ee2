package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// balancer reports its only target as a test scripts it, one answer after the other and then the last one again.
type balancer struct {
	states []types.TargetHealthStateEnum // "": it does not answer
	asked  chan elb.DescribeTargetHealthInput
}

func (b *balancer) DescribeTargetHealth(_ context.Context, in *elb.DescribeTargetHealthInput,
	_ ...func(*elb.Options)) (*elb.DescribeTargetHealthOutput, error) {
	state := b.states[0]
	if len(b.states) > 1 {
		b.states = b.states[1:]
	}
	select {
	case b.asked <- *in:
	default:
	}
	if state == "" {
		return nil, errors.New("throttled")
	}
	health := types.TargetHealthDescription{TargetHealth: &types.TargetHealth{State: state}}
	return &elb.DescribeTargetHealthOutput{TargetHealthDescriptions: []types.TargetHealthDescription{health}}, nil
}

// newTestTarget returns a target whose task's metadata is body.
func newTestTarget(t *testing.T, b *balancer, body string) *target {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return &target{balancer: b, group: "arn:group", port: "8080", metadata: s.URL, every: time.Millisecond,
		log: slog.New(slog.DiscardHandler)}
}

const metadata = `{"DockerId":"x","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.1.7"]}]}`

func TestATargetThatIsTakenOutIsToldSo(t *testing.T) {
	b := &balancer{states: []types.TargetHealthStateEnum{"initial", "", "healthy", "unhealthy", "draining"},
		asked: make(chan elb.DescribeTargetHealthInput, 1)}
	select {
	case <-newTestTarget(t, b, metadata).draining(t.Context()):
	case <-time.After(20 * time.Second):
		t.Fatal("it is not told")
	}
	in := <-b.asked
	if aws.ToString(in.TargetGroupArn) != "arn:group" || len(in.Targets) != 1 ||
		aws.ToString(in.Targets[0].Id) != "10.0.1.7" || aws.ToInt32(in.Targets[0].Port) != 8080 {
		t.Errorf("asked for %+v", in)
	}
	if len(b.states) != 1 {
		t.Errorf("told at %q", b.states)
	}
}

func TestATargetThatStaysIsLeftAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		states []types.TargetHealthStateEnum
		body   string
	}{
		"healthy":               {[]types.TargetHealthStateEnum{"healthy"}, metadata},
		"unused":                {[]types.TargetHealthStateEnum{"unused"}, metadata},
		"the balancer is away":  {[]types.TargetHealthStateEnum{""}, metadata},
		"no address of its own": {[]types.TargetHealthStateEnum{"draining"}, `{"Networks":[]}`},
		"no metadata":           {[]types.TargetHealthStateEnum{"draining"}, `<html>`},
	} {
		target := newTestTarget(t, &balancer{states: tt.states}, tt.body)
		me, err := target.self(t.Context())
		if err != nil {
			if tt.states[0] == "draining" {
				continue // it never comes to ask
			}
			t.Fatal(err)
		}
		if leaving, _ := target.leaving(t.Context(), *me); leaving {
			t.Errorf("%s: it is told to go", name)
		}
	}
	if ch := (&target{}).draining(t.Context()); ch != nil {
		t.Error("without a balancer it waits for one")
	}
}
