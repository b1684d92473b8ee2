package sqs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/hookcast/hookcast/tenants"
)

var (
	errQueueMissing = tenants.Errorf(tenants.Unavailable, "queue_missing", "there is no such queue")
	errInboxGone    = tenants.Errorf(tenants.NotFound, "inbox_gone", "the node's inbox is gone")
)

func (q *Queue) classify(ctx context.Context, operation string, err error) error {
	return classify(ctx, operation, err, q.missing)
}

// classify turns an error of the SDK's into one of the domain's. The text of an answer stays out of it: where a signature is refused,
// AWS repeats the request's headers there. Its code and the request's id say enough.
func classify(ctx context.Context, operation string, err error, missing *tenants.Error) error {
	if cause := context.Cause(ctx); cause != nil {
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", cause)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return tenants.Errorf(tenants.Unavailable, "queue_unreachable", "%w", err) // no connection, no credentials, an answer cut short
	}
	status, request := 0, ""
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status, request = answer.HTTPStatusCode(), answer.ServiceRequestID()
	}
	cause := fmt.Errorf("%s: %s, status %d, request %q", operation, api.ErrorCode(), status, request)
	switch api.ErrorCode() {
	case "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue":
		return &tenants.Error{Kind: missing.Kind, Code: missing.Code, Detail: missing.Detail, Err: cause}
	case "RequestThrottled", "ThrottlingException", "Throttling", "TooManyRequestsException", "KmsThrottled", "KMS.ThrottlingException", "OverLimit":
		e := tenants.Errorf(tenants.Unavailable, "queue_throttled", "%w", cause)
		e.RetryAfter = time.Second
		return e
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException":
		return tenants.Errorf(tenants.Unavailable, "credentials_expired", "%w", cause)
	case "QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently":
		e := tenants.Errorf(tenants.Unavailable, "queue_deleted_recently", "%w", cause)
		e.RetryAfter = time.Minute
		return e
	}
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || api.ErrorFault() == smithy.FaultServer {
		return tenants.Errorf(tenants.Unavailable, "queue_unavailable", "%w", cause)
	}
	return tenants.Errorf(tenants.Internal, "queue_refused", "%w", cause)
}

func refused(operation, code string) error {
	return tenants.Errorf(tenants.Internal, "queue_refused", "%w", fmt.Errorf("%s: an entry: %s", operation, code))
}

func misuse(what string) error {
	return tenants.Errorf(tenants.Internal, "queue_misuse", "%s", what)
}

func ended(ctx context.Context) error {
	return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", context.Cause(ctx))
}

const entryTries = 4

// again waits before entries that failed for the n-th time are sent once more, and says so when that was often enough.
func again(ctx context.Context, n int) error {
	if n >= entryTries {
		return tenants.Errorf(tenants.Unavailable, "queue_unavailable", "entries of a batch failed %d times", n)
	}
	longest := 50 * time.Millisecond << n
	return pause(ctx, longest/2+rand.N(longest/2))
}
