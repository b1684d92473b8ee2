package sweep_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/functions/sweep"
	"github.com/hookcast/hookcast/tenants"
)

type sweeper struct {
	removed int
	err     error
}

func (s sweeper) Run(context.Context) (int, error) { return s.removed, s.err }

func TestSweep(t *testing.T) {
	for _, tt := range []sweeper{{2, nil}, {1, errors.New("the queues are down")}} {
		var log bytes.Buffer
		var measured int64
		err := sweep.Handler(sweep.Options{
			Sweep: tt, Erasure: sweeper{}, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
			Measure: func(vs ...slog.Attr) { measured = vs[0].Value.Int64() },
		})(t.Context(), json.RawMessage(`{}`))
		if !errors.Is(err, tt.err) || measured != int64(tt.removed) {
			t.Errorf("Handler = %v and measured %v, want %v and %d", err, measured, tt.err, tt.removed)
		}
		if tt.err != nil && !strings.Contains(log.String(), tt.err.Error()) {
			t.Errorf("logged %s, want the error %v", &log, tt.err)
		}
	}
}

// Each runs even if the other fails, and a failure of either fails the invocation, which triggers an alarm.
func TestErasureIsSweptToo(t *testing.T) {
	down := errors.New("the table is down")
	for _, swept := range []error{nil, errors.New("the queues are down")} {
		var log bytes.Buffer
		err := sweep.Handler(sweep.Options{
			Sweep: sweeper{err: swept}, Erasure: sweeper{7, down}, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
			Measure: func(...slog.Attr) {},
		})(t.Context(), json.RawMessage(`{}`))
		if !errors.Is(err, down) || swept != nil && !errors.Is(err, swept) ||
			!strings.Contains(log.String(), `"erased":7`) {
			t.Errorf("Handler = %v and logged %s, want errors %v and %v, and 7 erased rows", err, &log, swept, down)
		}
	}
}

// stopped is an erasure that runs until its context ends.
type stopped struct{}

func (stopped) Run(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 100, tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
}

func TestAnErasureThatTakesLongerIsGoneOnWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := sweep.Handler(sweep.Options{
			Sweep: sweeper{}, Erasure: stopped{}, Logger: slog.New(slog.DiscardHandler), Measure: func(...slog.Attr) {},
		})(ctx, json.RawMessage(`{}`))
		if err != nil {
			t.Errorf("Handler = %v if the erasure is not finished, want nil", err)
		}
	})
}
