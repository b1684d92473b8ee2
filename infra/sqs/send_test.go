package sqs_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

func grouped(group string, bodies ...string) (ms []tenants.Message) {
	for _, b := range bodies {
		ms = append(ms, tenants.Message{Group: group, Body: []byte(b)})
	}
	return ms
}

// The order of each group is kept even if any entries of any batch fail.
func TestBatchesThatFailInPartKeepEachGroupInOrder(t *testing.T) {
	synctest.Test(t, batchesThatFailInPartKeepEachGroupInOrder)
}

func batchesThatFailInPartKeepEachGroupInOrder(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		got, dedupes := map[string][]string{}, map[string]string{}
		failures := map[string]int{}
		f := newFake(t, "q.fifo", func(_ int, c call) answer {
			return c.results(func(i int) string {
				e := c.Entries.Entries[i]
				body, err := base64.StdEncoding.DecodeString(e.MessageBody)
				if err != nil {
					t.Error(err)
				}
				if failures[string(body)] < 2 && rng.IntN(3) == 0 {
					failures[string(body)]++
					return "InternalError"
				}
				got[e.MessageGroupID] = append(got[e.MessageGroupID], string(body))
				dedupes[e.MessageDeduplicationID] = string(body)
				return ""
			})
		})
		want := map[string][]string{}
		var ms []tenants.Message
		for i := range 40 {
			group, body := fmt.Sprint("g", rng.IntN(6)), fmt.Sprint(i)
			want[group] = append(want[group], body)
			ms = append(ms, grouped(group, body)...)
		}
		if err := f.Send(t.Context(), ms...); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for g := range want {
			if !slices.Equal(got[g], want[g]) {
				t.Errorf("seed %d: group %s arrived as %v, want %v", seed, g, got[g], want[g])
			}
		}
		if len(dedupes) != len(ms) {
			t.Errorf("seed %d: %d deduplication ids for %d messages", seed, len(dedupes), len(ms))
		}
	}
}

func TestBatchesHoldTenAndOneMebibyte(t *testing.T) {
	const size = 300 << 10 // 400 KiB in base64: two to a batch
	var ms []tenants.Message
	for i := range 5 {
		ms = append(ms, tenants.Message{Body: []byte(fmt.Sprint(i, strings.Repeat("x", size)))})
	}
	for i := range 23 {
		ms = append(ms, tenants.Message{Body: []byte(fmt.Sprint("small ", i)), Delay: 1500 * time.Millisecond})
	}
	f := newFake(t, "q", func(_ int, c call) answer { return c.results(allDone) })
	if err := f.Send(t.Context(), ms...); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, c := range f.calls {
		bytes := 0
		for _, e := range c.Entries.Entries {
			bytes += len(e.MessageBody)
			if len(e.MessageBody) < 100 && e.DelaySeconds != 2 {
				t.Errorf("got a delay of %d s, want 1.5 s rounded up", e.DelaySeconds)
			}
		}
		if n := len(c.Entries.Entries); n > 10 || bytes > 1<<20 {
			t.Errorf("a batch has %d entries and %d bytes, want at most 10 and 1 MiB", n, bytes)
		}
		seen += len(c.Entries.Entries)
	}
	if seen != len(ms) || len(f.calls) > 4 {
		t.Errorf("%d messages arrived in %d calls, want %d in at most 4", seen, len(f.calls), len(ms))
	}
}

func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	synctest.Test(t, onlyWhatFailedIsSentAgain)
}

func onlyWhatFailedIsSentAgain(t *testing.T) {
	f := newFake(t, "q", func(n int, c call) answer {
		return c.results(func(i int) string {
			if n == 1 && i%2 == 1 {
				return "InternalError"
			}
			return ""
		})
	})
	if err := f.Send(t.Context(), grouped("", "a", "b", "c", "d")...); err != nil {
		t.Fatal(err)
	}
	if len(f.calls) != 2 || len(f.calls[1].Entries.Entries) != 2 ||
		f.calls[1].Entries.Entries[0].MessageBody != base64.StdEncoding.EncodeToString([]byte("b")) {
		t.Errorf("got calls %+v, want the second one with b and d", f.calls)
	}
}

func TestEntriesThatGoOnFailingAreUnavailable(t *testing.T) {
	synctest.Test(t, entriesThatGoOnFailingAreUnavailable)
}

func entriesThatGoOnFailingAreUnavailable(t *testing.T) {
	for _, tt := range []struct {
		code  string
		kind  tenants.ErrorKind
		calls int
	}{{"InternalError", tenants.Unavailable, 4}, {"!InvalidMessageContents", tenants.Internal, 1}} {
		f := newFake(t, "q.fifo", func(_ int, c call) answer { return c.results(func(int) string { return tt.code }) })
		if err := f.Send(t.Context(), grouped("g", "a", "b")...); tenants.KindOf(err) != tt.kind ||
			len(f.calls) != tt.calls {
			t.Errorf("%s: Send = %v after %d calls, want kind %v after %d", tt.code, err, len(f.calls), tt.kind,
				tt.calls)
		}
		for _, c := range f.calls {
			if len(c.Entries.Entries) != 1 {
				t.Errorf("%s: a batch has %d messages of one group, want 1", tt.code, len(c.Entries.Entries))
			}
		}
	}
}

func TestWhatSQSCannotKeepIsRefused(t *testing.T) {
	body := []byte("b")
	for name, tt := range map[string]struct {
		queue string
		m     tenants.Message
		kind  tenants.ErrorKind
	}{
		"no group":             {"q.fifo", tenants.Message{Body: body}, tenants.Internal},
		"a group with a space": {"q.fifo", tenants.Message{Group: "a b", Body: body}, tenants.Internal},
		"a long group": {"q.fifo", tenants.Message{Group: strings.Repeat("g", 129), Body: body},
			tenants.Internal},
		"a long dedupe": {"q.fifo", tenants.Message{Group: "g", Dedupe: strings.Repeat("g", 129), Body: body},
			tenants.Internal},
		"a delay in a group": {"q.fifo", tenants.Message{Group: "g", Delay: time.Second, Body: body},
			tenants.Internal},
		"a group, standard":       {"q", tenants.Message{Group: "g", Body: body}, tenants.Internal},
		"a dedupe, standard":      {"q", tenants.Message{Dedupe: "d", Body: body}, tenants.Internal},
		"a delay of 16 minutes":   {"q", tenants.Message{Delay: 16 * time.Minute, Body: body}, tenants.Internal},
		"no body":                 {"q", tenants.Message{}, tenants.Internal},
		"a body over 1 MiB coded": {"q", tenants.Message{Body: make([]byte, 786_433)}, tenants.TooLarge},
	} {
		f := newFake(t, tt.queue, func(_ int, c call) answer { return c.results(allDone) })
		if err := f.Send(t.Context(), tt.m); err == nil || tenants.KindOf(err) != tt.kind || len(f.calls) != 0 {
			t.Errorf("%s: Send = %v after %d calls, want kind %v without a call", name, err, len(f.calls), tt.kind)
		}
	}
	f := newFake(t, "q", func(_ int, c call) answer { return c.results(allDone) })
	if err := f.Send(t.Context(), tenants.Message{Body: make([]byte, 786_432)}); err != nil {
		t.Errorf("Send of a body of 1 MiB in base64 = %v, want nil", err)
	}
	if err := f.Send(t.Context()); err != nil || len(f.calls) != 1 {
		t.Errorf("Send without messages = %v after %d calls, want no further call", err, len(f.calls))
	}
}
