package sqs_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/hookcast/hookcast/infra/sqs"
)

// fake speaks SQS's protocol (AWS JSON 1.0, https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html) and
// responds as a test says, which the emulator cannot do. It uses no network, so tests can run it in a synctest
// bubble.
type fake struct {
	*sqs.Queue
	all   *sqs.SQS
	t     *testing.T
	reply func(n int, c call) answer

	mu    sync.Mutex
	calls []call
}

type call struct {
	Action string
	Entries
}

// Entries are the fields of a request that tests check.
type Entries struct {
	Entries []struct {
		ID                     string `json:"Id"`
		MessageBody            string
		MessageGroupID         string `json:"MessageGroupId"`
		MessageDeduplicationID string `json:"MessageDeduplicationId"`
		ReceiptHandle          string
		VisibilityTimeout      *int
		DelaySeconds           int
	}
	MaxNumberOfMessages, WaitTimeSeconds int
	ReceiveRequestAttemptID              string `json:"ReceiveRequestAttemptId"`
}

// answer is a response: body as JSON, or an error if code is set.
type answer struct {
	body   any
	status int
	code   string
	text   string
}

type entryResult struct {
	ID               string `json:"Id"`
	MessageID        string `json:"MessageId,omitempty"`
	MD5OfMessageBody string `json:",omitempty"`
	Code             string `json:",omitempty"`
	SenderFault      bool   `json:",omitempty"`
}

type results struct{ Successful, Failed []entryResult }

// results answers a batch. failed returns the code that an entry fails with, or "" if it succeeds. A code that begins
// with "!" is the sender's fault.
func (c call) results(failed func(i int) string) answer {
	var r results
	for i, e := range c.Entries.Entries {
		sum := md5.Sum([]byte(e.MessageBody))
		if code := failed(i); code != "" {
			r.Failed = append(r.Failed, entryResult{ID: e.ID, Code: strings.TrimPrefix(code, "!"),
				SenderFault: code[0] == '!'})
		} else {
			r.Successful = append(r.Successful, entryResult{ID: e.ID, MessageID: "m",
				MD5OfMessageBody: hex.EncodeToString(sum[:])})
		}
	}
	return answer{body: r}
}

func allDone(int) string { return "" }

func newFake(t *testing.T, name string, reply func(n int, c call) answer) *fake {
	t.Helper()
	const url = "http://sqs.invalid"
	f := &fake{t: t, reply: reply}
	cfg := hasty(at(url))
	cfg.HTTPClient = f
	f.all = sqs.New(cfg)
	f.Queue = f.all.Queue(url + "/123456789012/" + name)
	return f
}

// Do implements aws.HTTPClient.
func (f *fake) Do(r *http.Request) (*http.Response, error) {
	c := call{Action: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")}
	if err := json.NewDecoder(r.Body).Decode(&c.Entries); err != nil {
		f.t.Error(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	a := f.reply(len(f.calls), c)
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Requestid", "the-request-id")
	if a.code != "" {
		w.WriteHeader(a.status)
		a.body = map[string]string{"__type": "com.amazonaws.sqs#" + a.code, "message": a.text}
	}
	if err := json.NewEncoder(w).Encode(a.body); err != nil {
		f.t.Error(err)
	}
	return w.Result(), nil
}

// hasty removes the pauses between retries.
func hasty(cfg aws.Config) aws.Config {
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	return cfg
}

func (f *fake) actions() (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		names = append(names, c.Action)
	}
	return names
}
