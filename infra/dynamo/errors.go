package dynamo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/hookcast/hookcast/tenants"
)

// domainError converts an error of DynamoDB's to a *tenants.Error. It has kind Unavailable and one of the codes
//
//	cancelled            ctx has ended
//	storage_throttled    the capacity of the table or the account is exceeded
//	storage_busy         other transactions use the same rows
//	storage_credentials  the credentials have expired or are not accepted
//	storage_missing      the table does not exist (yet, or in this region)
//	storage_unavailable  anything else: no connection, no response, a server error
//
// or kind Internal if the same request would fail again: storage_denied (a policy lacks the permission) or
// storage_refused.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
func domainError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*tenants.Error](err); ok {
		return err
	}
	if ctx.Err() != nil {
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", err)
	}
	out := tenants.Errorf(tenants.Unavailable, "storage_unavailable", "%w", err)
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return out
	}
	switch api.ErrorCode() {
	case "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
		"LimitExceededException", "SlowDown":
		out.Code, out.RetryAfter = "storage_throttled", time.Second
	case "TransactionConflictException", "TransactionInProgressException", "ReplicatedWriteConflictException":
		out.Code = "storage_busy"
	case "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidSignatureException",
		"IncompleteSignatureException",
		"MissingAuthenticationTokenException", "MissingAuthenticationToken", "InvalidClientTokenId", "RequestExpired":
		out.Code = "storage_credentials"
	case "ResourceNotFoundException", "TableNotFoundException":
		out.Code = "storage_missing"
	case "AccessDeniedException":
		out.Kind, out.Code = tenants.Internal, "storage_denied"
	default:
		if s := status(err); s >= 400 && s < 500 {
			out.Kind, out.Code = tenants.Internal, "storage_refused"
		}
	}
	return out
}

// status returns the HTTP status of the response that caused err, or 0 if there was none.
func status(err error) int {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return r.HTTPStatusCode()
	}
	return 0
}

// nothingDone reports whether a request that failed with err certainly had no effect.
func nothingDone(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	s := status(err)
	return s >= 400 && s < 500 && s != http.StatusRequestTimeout
}

func conditionFailed(err error) bool {
	_, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	return ok
}

func notFound() error {
	return tenants.Errorf(tenants.NotFound, "row_not_found", "the row does not exist")
}
