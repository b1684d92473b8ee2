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
	attempts       = 8                // of one request
	attemptTimeout = 3 * time.Second  // of one attempt
	requestTimeout = 12 * time.Second // of all attempts
	connections    = 256              // kept open while idle
)

// backoff waits before attempt n+1: a random time up to 25 ms, 50 ms, 100 ms, …, 1 s.
func backoff(n int) time.Duration { return rand.N(min(25*time.Millisecond<<min(n-1, 10), time.Second)) }

// tune sets a client's retries and timeouts to what this package promises, whatever the environment says of them.
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

// timed leaves a client alone that is not the SDK's own: whoever made it knows why.
func timed(c aws.HTTPClient) aws.HTTPClient {
	own, ok := c.(*awshttp.BuildableClient)
	if !ok {
		return c
	}
	return own.WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = connections })
}

// bounded gives a request its time.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTimeout)
}

// witness watches the attempts of one request, and knows afterwards whether one of them that failed may have been carried out.
type witness struct {
	aws.RetryerV2
	unsure bool
}

// watch is given to a request as its option.
func (w *witness) watch(o *dynamodb.Options) {
	w.RetryerV2 = o.Retryer.(aws.RetryerV2) // tune's
	o.Retryer = w
}

// IsErrorRetryable is asked after each attempt that failed.
func (w *witness) IsErrorRetryable(err error) bool {
	if !nothingDone(err) {
		w.unsure = true
	}
	return w.RetryerV2.IsErrorRetryable(err)
}

// pause waits before try n+1, or until ctx ends.
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
