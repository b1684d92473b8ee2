package kms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/hookcast/hookcast/tenants"
)

// classify converts an error of the SDK's to a *tenants.Error. The result contains the code of the response and the
// request's id, but not its text: when AWS refuses a signature, the text repeats the request's headers.
//
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors, and CommonErrors.html next
// to it.
func classify(ctx context.Context, operation string, err error) error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		// no connection, no credentials, or an incomplete response
		return tenants.Errorf(tenants.Unavailable, "vault_unreachable", "%w", err)
	}
	status, request := 0, ""
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status, request = answer.HTTPStatusCode(), answer.ServiceRequestID()
	}
	cause := fmt.Errorf("%s: %s, status %d, request %q", operation, api.ErrorCode(), status, request)
	switch api.ErrorCode() {
	case "InvalidCiphertextException", "IncorrectKeyException":
		return errUnsealable(cause)
	case "DisabledException", "KMSInvalidStateException", "NotFoundException":
		return tenants.Errorf(tenants.Internal, "vault_key_unusable", "%w", cause)
	case "ThrottlingException", "Throttling", "LimitExceededException", "TooManyRequestsException":
		e := tenants.Errorf(tenants.Unavailable, "vault_throttled", "%w", cause)
		e.RetryAfter = time.Second
		return e
	case "ExpiredTokenException", "ExpiredToken", "RequestExpired", "InvalidClientTokenId",
		"UnrecognizedClientException":
		return tenants.Errorf(tenants.Unavailable, "credentials_expired", "%w", cause)
	case "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException":
		return tenants.Errorf(tenants.Unavailable, "vault_unavailable", "%w", cause)
	}
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return tenants.Errorf(tenants.Unavailable, "vault_unavailable", "%w", cause)
	}
	return tenants.Errorf(tenants.Internal, "vault_refused", "%w", cause)
}

func errUnsealable(cause error) error {
	return &tenants.Error{
		Kind: tenants.Internal, Code: "unsealable",
		Detail: "the secret was not sealed by this vault for this tenant and purpose", Err: cause,
	}
}

// broken returns the error for a response of KMS that cannot be used.
func broken(format string, args ...any) error {
	return tenants.Errorf(tenants.Internal, "vault_broken", format, args...)
}

func cancelled(ctx context.Context) error {
	return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", context.Cause(ctx))
}
