package sqs_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/tenants"
)

func TestErrorsHaveTheKindOfWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		kind   tenants.ErrorKind
		ours   string
		calls  int // with the SDK's retries
	}{
		{403, "RequestThrottled", tenants.Unavailable, "queue_throttled", 3},
		{400, "ThrottlingException", tenants.Unavailable, "queue_throttled", 3},
		{400, "KmsThrottled", tenants.Unavailable, "queue_throttled", 1},
		{403, "OverLimit", tenants.Unavailable, "queue_throttled", 1},
		{500, "InternalFailure", tenants.Unavailable, "queue_unavailable", 3},
		{503, "ServiceUnavailable", tenants.Unavailable, "queue_unavailable", 3},
		{403, "ExpiredToken", tenants.Unavailable, "credentials_expired", 1},
		{403, "InvalidClientTokenId", tenants.Unavailable, "credentials_expired", 1},
		{400, "QueueDoesNotExist", tenants.Unavailable, "queue_missing", 1},
		{403, "AccessDenied", tenants.Internal, "queue_refused", 1},
		{403, "SignatureDoesNotMatch", tenants.Internal, "queue_refused", 1},
		{400, "BatchRequestTooLong", tenants.Internal, "queue_refused", 1},
		{400, "KmsDisabled", tenants.Internal, "queue_refused", 1},
	} {
		f := newFake(t, "q", func(int, call) answer {
			return answer{status: tt.status, code: tt.code,
				text: "the canonical request was x-amz-security-token:SECRET"}
		})
		_, receive := f.Receive(t.Context(), 1, 0)
		if calls := len(f.actions()); calls != tt.calls {
			t.Errorf("%s: %d calls, want %d", tt.code, calls, tt.calls)
		}
		for name, err := range map[string]error{
			"Receive": receive, "Send": f.Send(t.Context(), grouped("", "a")...),
			"Done": f.Done(t.Context(), hands(1)...), "Release": f.Release(t.Context(), 0, hands(1)...),
		} {
			if err == nil || tenants.KindOf(err) != tt.kind || tenants.CodeOf(err) != tt.ours {
				t.Errorf("%s: %s = %v, want %s", tt.code, name, err, tt.ours)
				continue
			}
			if said := err.Error(); strings.Contains(said, "SECRET") || !strings.Contains(said, "the-request-id") {
				t.Errorf("%s: %s = %q, want the request's id and no secret", tt.code, name, said)
			}
			if e, _ := errors.AsType[*tenants.Error](err); strings.Contains(e.Detail, "request") {
				t.Errorf("%s: %s has detail %q, want no details of the request", tt.code, name, e.Detail)
			}
		}
	}
}

func TestALostConnectionIsUnavailable(t *testing.T) {
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("{"))
		panic(http.ErrAbortHandler)
	}))
	defer cut.Close()
	for _, url := range []string{cut.URL, "http://127.0.0.1:1"} {
		q := sqs.New(hasty(at(url))).Queue(url + "/1/q")
		if err := q.Send(t.Context(), grouped("", "a")...); tenants.KindOf(err) != tenants.Unavailable ||
			tenants.CodeOf(err) != "queue_unreachable" {
			t.Errorf("Send = %v, want queue_unreachable", err)
		}
	}
}

func TestCredentialsThatCannotBeHadAreUnavailable(t *testing.T) {
	cfg := hasty(at("http://127.0.0.1:1"))
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("the role's endpoint is down")
	})
	if err := sqs.New(cfg).Queue("http://127.0.0.1:1/1/q").Send(t.Context(),
		grouped("", "a")...); tenants.KindOf(err) != tenants.Unavailable {
		t.Errorf("Send = %v, want Unavailable", err)
	}
}
