package dynamo

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
)

const (
	attempts       = 8                // attempts of one request
	attemptTimeout = 3 * time.Second  // for one attempt
	requestTimeout = 12 * time.Second // for all attempts
	connections    = 256              // idle connections that stay open
)

// backoff returns the pause before attempt n+1: a random time up to 25 ms, 50 ms, 100 ms, …, 1 s.
func backoff(n int) time.Duration { return rand.N(min(25*time.Millisecond<<min(n-1, 10), time.Second)) }

// tune sets a client's retries and timeouts to those of this package, regardless of the environment.
func tune(o *dynamodb.Options) {
	o.RetryMaxAttempts, o.Retryer, o.HTTPClient = 0, retryer(), timed(o.HTTPClient)
}

func tuneStreams(o *dynamodbstreams.Options) {
	o.RetryMaxAttempts, o.Retryer, o.HTTPClient = 0, retryer(), timed(o.HTTPClient)
}

func retryer() aws.Retryer {
	return retry.AddWithErrorCodes(retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts = attempts
		s.Backoff = retry.BackoffDelayerFunc(func(n int, _ error) (time.Duration, error) { return backoff(n), nil })
	}), "TransactionConflictException", "ReplicatedWriteConflictException")
}

// timed sets timeouts on the SDK's own HTTP client. Other clients are left unchanged.
func timed(c aws.HTTPClient) aws.HTTPClient {
	own, ok := c.(*awshttp.BuildableClient)
	if !ok {
		return c
	}
	return own.WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = connections
	})
}

// withTimeout returns a context with the timeout of a request.
func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTimeout)
}

// witness watches the attempts of one request and records whether a failed attempt may have taken effect.
type witness struct {
	aws.RetryerV2
	unsure bool
}

// watch is the option that attaches w to a request.
func (w *witness) watch(o *dynamodb.Options) {
	w.RetryerV2 = o.Retryer.(aws.RetryerV2) // tune's
	o.Retryer = w
}

// IsErrorRetryable implements aws.Retryer. The SDK calls it after each failed attempt.
func (w *witness) IsErrorRetryable(err error) bool {
	if !nothingDone(err) {
		w.unsure = true
	}
	return w.RetryerV2.IsErrorRetryable(err)
}

// pause waits before attempt n+1, or until ctx ends.
func pause(ctx context.Context, n int) error {
	t := time.NewTimer(backoff(n))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
