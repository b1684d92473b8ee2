package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/infra/stacks"
)

// consumer is a function that fails as it is told, and records the batches that it got.
type consumer struct {
	poison  map[string]bool // records that the function reports as failed
	crashes map[string]bool // records at which the function crashes
	outage  int             // number of invocations that fail, whatever the batch
	answer  string          // replaces the function's answer; "" keeps it
	handed  []string
	given   []failure
	deaf    int // number of failures that cannot be recorded at first
}

func (c *consumer) invoke(_ context.Context, payload []byte) ([]byte, error) {
	var e struct{ Records []struct{ N string } }
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	var numbers []string
	for _, r := range e.Records {
		numbers = append(numbers, r.N)
	}
	c.handed = append(c.handed, strings.Join(numbers, ","))
	if c.outage > 0 {
		c.outage--
		return nil, errors.New("down")
	}
	if c.answer != "" {
		return []byte(c.answer), nil
	}
	for _, n := range numbers {
		switch {
		case c.crashes[n]:
			return nil, errors.New("crashed")
		case c.poison[n]:
			return fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q}]}`, n), nil
		}
	}
	return []byte(`{"batchItemFailures":[]}`), nil
}

func (c *consumer) note(_ context.Context, f failure) error {
	if c.deaf > 0 {
		c.deaf--
		return errors.New("the queue is down")
	}
	c.given = append(c.given, f)
	return nil
}

// deliver hands records 1 to n to the consumer, with a synthetic clock.
func deliver(t *testing.T, c *consumer, n int, source stacks.EventSource) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		source.Partial, source.Function, source.OnFailure = true, &stacks.Function{Name: "changes"}, &stacks.Queue{}
		d := &delivery{source: &source, invoke: c.invoke, note: c.note, pause: backOff,
			log: slog.New(slog.DiscardHandler)}
		var rs []record
		for i := range n {
			rs = append(rs, record{sequence: itoa(i + 1), body: json.RawMessage(`{"N":"` + itoa(i+1) + `"}`)})
		}
		d.batch(t.Context(), "shard", rs)
	})
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool)
	for _, n := range names {
		m[n] = true
	}
	return m
}

func TestDelivery(t *testing.T) {
	halving := stacks.EventSource{Bisect: true, MaxRetries: 2}
	for name, tt := range map[string]struct {
		consumer consumer
		source   stacks.EventSource
		records  int
		handed   []string
		given    []string // first to last, attempts, condition
	}{
		"all is well": {consumer{}, halving, 3, []string{"1,2,3"}, nil},
		"a poisonous record is found, tried, and given up, and the shard goes on": {
			consumer{poison: set("3")}, halving, 5, []string{"1,2,3,4,5", "3", "3", "3", "4,5"},
			[]string{"3-3 3 RetryAttemptsExhausted"},
		},
		"the first one is poisonous": {
			consumer{poison: set("1")}, halving, 4, []string{"1,2,3,4", "1,2", "1", "1", "1", "2", "3,4"},
			[]string{"1-1 3 RetryAttemptsExhausted"},
		},
		"one at which it crashes": {
			consumer{crashes: set("2")}, halving, 3, []string{"1,2,3", "1", "2,3", "2", "2", "2", "3"},
			[]string{"2-2 3 RetryAttemptsExhausted"},
		},
		"two of them": {
			consumer{poison: set("1", "4")}, halving, 4,
			[]string{"1,2,3,4", "1,2", "1", "1", "1", "2", "3,4", "4", "4"},
			[]string{"1-1 3 RetryAttemptsExhausted", "4-4 3 RetryAttemptsExhausted"},
		},
		"without halving the whole batch is given up": {
			consumer{crashes: set("2")}, stacks.EventSource{MaxRetries: 1}, 3, []string{"1,2,3", "1,2,3"},
			[]string{"1-3 2 RetryAttemptsExhausted"},
		},
		"a passing outage": {consumer{outage: 2}, halving, 1, []string{"1", "1", "1"}, nil},
		"too old": {
			consumer{outage: 1 << 30}, stacks.EventSource{MaxRetries: -1, MaxAge: 250 * time.Millisecond}, 2,
			[]string{"1,2", "1,2", "1,2"}, []string{"1-2 3 RecordAgeExceeded"},
		},
		"a name that is in no record": {
			consumer{answer: `{"batchItemFailures":[{"itemIdentifier":"99"}]}`}, stacks.EventSource{MaxRetries: 0},
			2, []string{"1,2"}, []string{"1-2 1 RetryAttemptsExhausted"},
		},
		"an answer that is none": {consumer{answer: `<html>`}, stacks.EventSource{MaxRetries: 0}, 2, []string{"1,2"},
			[]string{"1-2 1 RetryAttemptsExhausted"}},
		"null is all well": {consumer{answer: `null`}, stacks.EventSource{MaxRetries: 0}, 2, []string{"1,2"}, nil},
		"a failure is noted though it takes a while": {
			consumer{outage: 1, deaf: 3}, stacks.EventSource{MaxRetries: 0}, 1, []string{"1"},
			[]string{"1-1 1 RetryAttemptsExhausted"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := tt.consumer
			deliver(t, &c, tt.records, tt.source)
			if !slices.Equal(c.handed, tt.handed) {
				t.Errorf("the function got %q,\n want %q", c.handed, tt.handed)
			}
			var given []string
			for _, f := range c.given {
				given = append(given, fmt.Sprintf("%s-%s %d %s", f.First, f.Last, f.Tries, f.Condition))
			}
			if !slices.Equal(given, tt.given) {
				t.Errorf("given up were %q,\n want %q", given, tt.given)
			}
		})
	}
}
