package sqs_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

type message struct {
	Body, ReceiptHandle, MD5OfBody string `json:",omitempty"`
	Attributes                     map[string]string
}

// handing answers the n-th Receive with the n-th number of messages. All belong to one group and are in order.
func handing(numbers ...int) func(int, call) answer {
	next := 0
	return func(n int, c call) answer {
		var ms []message
		if n <= len(numbers) {
			for range min(numbers[n-1], c.MaxNumberOfMessages) {
				ms = append(ms, message{
					Body:          base64.StdEncoding.EncodeToString([]byte(fmt.Sprint(next))),
					ReceiptHandle: fmt.Sprint("receipt ", next),
					Attributes: map[string]string{
						"ApproximateReceiveCount": "3", "SentTimestamp": "1741064767008", "MessageGroupId": "g",
						"MessageDeduplicationId": "hookcast-once-01",
					},
				})
				next++
			}
		}
		return answer{body: map[string]any{"Messages": ms}}
	}
}

func TestMoreThanTenAreReceivedWhileBatchesAreFull(t *testing.T) {
	for _, tt := range []struct {
		max     int
		answers []int
		want    int
		asked   []int // MaxNumberOfMessages of each call
	}{
		{3, []int{10}, 3, []int{3}},
		{10, []int{10, 10}, 10, []int{10}},
		{25, []int{10, 10, 10}, 25, []int{10, 10, 5}},
		{256, []int{10, 4, 10}, 14, []int{10, 10}},
		{256, []int{10}, 10, []int{10, 10}},
		{256, []int{9, 10}, 9, []int{10}},
	} {
		f := newFake(t, "q.fifo", handing(tt.answers...))
		rs, err := f.Receive(t.Context(), tt.max, 20*time.Second)
		if err != nil || len(rs) != tt.want {
			t.Errorf("max %d: Receive = %d messages, %v, want %d", tt.max, len(rs), err, tt.want)
		}
		for i, r := range rs {
			if string(r.Body) != fmt.Sprint(i) || r.Receives != 3 || r.Group != "g" || r.Dedupe != "" ||
				r.Sent.UnixMilli() != 1741064767008 || r.Receipt != fmt.Sprint("receipt ", i) {
				t.Errorf("max %d: message %d is %+v", tt.max, i, r)
			}
		}
		var asked []int
		attempts := map[string]bool{}
		for i, c := range f.calls {
			asked = append(asked, c.MaxNumberOfMessages)
			attempts[c.ReceiveRequestAttemptID] = true
			if i > 0 && c.WaitTimeSeconds > 0 {
				t.Errorf("call %d waits %d s after messages were received, want 0", i, c.WaitTimeSeconds)
			}
		}
		if !slices.Equal(asked, tt.asked) || len(attempts) != len(asked) {
			t.Errorf("max %d: asked for %v with %d attempt ids, want %v", tt.max, asked, len(attempts), tt.asked)
		}
	}
}

func TestWaitsArePolledInWholeSecondsOfTwentyAtMost(t *testing.T) {
	for wait, want := range map[time.Duration][]int{
		0:                        {0},
		30 * time.Millisecond:    {0, 0},
		time.Second:              {1},
		5500 * time.Millisecond:  {5, 0},
		20 * time.Second:         {20},
		47200 * time.Millisecond: {20, 20, 7, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, "q", func(_ int, c call) answer {
				time.Sleep(time.Duration(c.WaitTimeSeconds) * time.Second)
				return answer{body: map[string]any{}}
			})
			start := time.Now()
			if rs, err := f.Receive(t.Context(), 1, wait); err != nil || rs != nil || time.Since(start) != wait {
				t.Errorf("Receive with a wait of %v = %v, %v after %v", wait, rs, err, time.Since(start))
			}
			var polls []int
			for _, c := range f.calls {
				polls = append(polls, c.WaitTimeSeconds)
				if c.ReceiveRequestAttemptID != "" {
					t.Error("a call to a standard queue has an attempt id, which only FIFO queues support")
				}
			}
			if !slices.Equal(polls, want) {
				t.Errorf("a wait of %v polls for %v s, want %v", wait, polls, want)
			}
		})
	}
}

// If the server responds too early, Receive polls again.
func TestAPollThatEndsEarlyIsNotTheEndOfTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hand := handing(1)
		f := newFake(t, "q", func(n int, c call) answer {
			time.Sleep(900 * time.Millisecond)
			if n < 4 {
				return answer{body: map[string]any{}}
			}
			return hand(1, c)
		})
		start := time.Now()
		if rs, err := f.Receive(t.Context(), 1, 5*time.Second); err != nil || len(rs) != 1 ||
			time.Since(start) != 3600*time.Millisecond {
			t.Errorf("Receive = %v, %v after %v, want one message after 3.6s", rs, err, time.Since(start))
		}
	})
}

// Messages received before an error are returned. Otherwise they would stay hidden although no caller has them.
func TestWhatWasReceivedBeforeAnErrorIsReturned(t *testing.T) {
	hand := handing(10)
	f := newFake(t, "q", func(n int, c call) answer {
		if n > 1 {
			return answer{status: 403, code: "AccessDenied"}
		}
		return hand(n, c)
	})
	if rs, err := f.Receive(t.Context(), 20, 0); err != nil || len(rs) != 10 {
		t.Errorf("Receive = %d messages, %v, want 10", len(rs), err)
	}
}

func TestABodyOfSomebodyElsesComesAsItIs(t *testing.T) {
	f := newFake(t, "q", func(int, call) answer {
		return answer{body: map[string]any{"Messages": []message{{Body: `{"not":"ours"}`, ReceiptHandle: "r"}}}}
	})
	if rs, err := f.Receive(t.Context(), 1, 0); err != nil || len(rs) != 1 || string(rs[0].Body) != `{"not":"ours"}` {
		t.Errorf("Receive = %+v, %v, want the body unchanged", rs, err)
	}
}

func hands(n int) (rs []tenants.Received) {
	for i := range n {
		rs = append(rs, tenants.Received{Receipt: fmt.Sprint(i)})
	}
	return rs
}

func TestSettlingTriesOnlyWhatFailedAgain(t *testing.T) {
	synctest.Test(t, settlingTriesOnlyWhatFailedAgain)
}

func settlingTriesOnlyWhatFailedAgain(t *testing.T) {
	settle := map[string]func(context.Context, *fake, []tenants.Received) error{
		"DeleteMessageBatch": func(ctx context.Context, f *fake, rs []tenants.Received) error {
			return f.Done(ctx, rs...)
		},
		"ChangeMessageVisibilityBatch": func(ctx context.Context, f *fake, rs []tenants.Received) error {
			return f.Release(ctx, 1100*time.Millisecond, rs...)
		},
	}
	for action, act := range settle {
		settled := map[string]int{}
		f := newFake(t, "q.fifo", func(n int, c call) answer {
			if c.Action != action {
				t.Errorf("action %s was called, want %s", c.Action, action)
			}
			return c.results(func(i int) string {
				e := c.Entries.Entries[i]
				if v := e.VisibilityTimeout; v != nil && *v != 2 {
					t.Errorf("released with a delay of %d s, want 2", *v)
				}
				switch {
				case e.ReceiptHandle == "3":
					return "!ReceiptHandleIsInvalid"
				case e.ReceiptHandle == "4":
					return "!InvalidParameterValue"
				case n <= 3 && (e.ReceiptHandle == "5" || e.ReceiptHandle == "21"):
					return "InternalError"
				}
				settled[e.ReceiptHandle]++
				return ""
			})
		})
		if err := act(t.Context(), f, hands(23)); err != nil {
			t.Error(err)
		}
		var sizes []int
		for _, c := range f.calls {
			sizes = append(sizes, len(c.Entries.Entries))
		}
		if !slices.Equal(sizes, []int{10, 10, 3, 2}) {
			t.Errorf("%d calls with %v entries, want 4 with 10, 10, 3 and 2", len(f.calls), sizes)
		}
		for _, r := range hands(23) {
			if want := 1; r.Receipt != "3" && r.Receipt != "4" && settled[r.Receipt] != want {
				t.Errorf("%s: receipt %s was settled %d times, want %d", action, r.Receipt, settled[r.Receipt], want)
			}
		}

		settlingFailures(t, action, act)
	}
}

// settlingFailures checks act with entries that keep failing, with refused ones, and without any.
func settlingFailures(t *testing.T, action string, act func(context.Context, *fake, []tenants.Received) error) {
	t.Helper()
	f := newFake(t, "q", func(_ int, c call) answer {
		return c.results(func(int) string { return "InternalError" })
	})
	if err := act(t.Context(), f, hands(1)); tenants.KindOf(err) != tenants.Unavailable || len(f.calls) != 4 {
		t.Errorf("%s that keeps failing = %v after %d calls, want Unavailable after 4", action, err, len(f.calls))
	}
	f = newFake(t, "q", func(_ int, c call) answer {
		return c.results(func(int) string { return "!AccessDenied" })
	})
	if err := act(t.Context(), f, hands(1)); err == nil || tenants.KindOf(err) != tenants.Internal ||
		len(f.calls) != 1 {
		t.Errorf("%s that is refused = %v after %d calls, want Internal after 1", action, err, len(f.calls))
	}
	if err := act(t.Context(), f, nil); err != nil || len(f.calls) != 1 {
		t.Errorf("%s without receipts = %v, want nil without a call", action, err)
	}
}
