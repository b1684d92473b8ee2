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
	errQueueMissing = tenants.Errorf(tenants.Unavailable, "queue_missing", "the queue does not exist")
	errInboxGone    = tenants.Errorf(tenants.NotFound, "inbox_gone", "the node's inbox no longer exists")
)

func (q *Queue) classify(ctx context.Context, operation string, err error) error {
	return classify(ctx, operation, err, q.missing)
}

// classify converts an error of the SDK's to a *tenants.Error. missing is the error for a queue that does not exist.
// The result contains the code of the response and the request's id, but not its text: when AWS refuses a signature,
// the text repeats the request's headers.
func classify(ctx context.Context, operation string, err error, missing *tenants.Error) error {
	if cause := context.Cause(ctx); cause != nil {
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", cause)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		// no connection, no credentials, or an incomplete response
		return tenants.Errorf(tenants.Unavailable, "queue_unreachable", "%w", err)
	}
	status, request := 0, ""
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status, request = answer.HTTPStatusCode(), answer.ServiceRequestID()
	}
	cause := fmt.Errorf("%s: %s, status %d, request %q", operation, api.ErrorCode(), status, request)
	switch api.ErrorCode() {
	case "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue":
		return &tenants.Error{Kind: missing.Kind, Code: missing.Code, Detail: missing.Detail, Err: cause}
	case "RequestThrottled", "ThrottlingException", "Throttling", "TooManyRequestsException", "KmsThrottled",
		"KMS.ThrottlingException", "OverLimit":
		e := tenants.Errorf(tenants.Unavailable, "queue_throttled", "%w", cause)
		e.RetryAfter = time.Second
		return e
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId",
		"UnrecognizedClientException":
		return tenants.Errorf(tenants.Unavailable, "credentials_expired", "%w", cause)
	case "QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently":
		e := tenants.Errorf(tenants.Unavailable, "queue_deleted_recently", "%w", cause)
		e.RetryAfter = time.Minute
		return e
	}
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests ||
		api.ErrorFault() == smithy.FaultServer {
		return tenants.Errorf(tenants.Unavailable, "queue_unavailable", "%w", cause)
	}
	return tenants.Errorf(tenants.Internal, "queue_refused", "%w", cause)
}

// refused returns the error for an entry that SQS refused with code.
func refused(operation, code string) error {
	return tenants.Errorf(tenants.Internal, "queue_refused",
		"%w", fmt.Errorf("%s: entry failed with %s", operation, code))
}

// misuse returns the error for a message that SQS cannot handle as tenants.Queue promises.
func misuse(what string) error {
	return tenants.Errorf(tenants.Internal, "queue_misuse", "%s", what)
}

func cancelled(ctx context.Context) error {
	return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", context.Cause(ctx))
}

// entryTries is how often an entry of a batch is sent before it fails.
const entryTries = 4

// again waits before entries that failed n times are sent again. After entryTries failures it returns an error instead.
func again(ctx context.Context, n int) error {
	if n >= entryTries {
		return tenants.Errorf(tenants.Unavailable, "queue_unavailable", "entries of a batch failed %d times in a row",
			n)
	}
	longest := 50 * time.Millisecond << n
	return pause(ctx, longest/2+rand.N(longest/2))
}
