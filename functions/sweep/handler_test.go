package sweep_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/functions/sweep"
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
		err := sweep.Handler(sweep.Options{Sweep: tt, Logger: slog.New(slog.NewJSONHandler(&log, nil)), Measure: func(vs ...slog.Attr) { measured = vs[0].Value.Int64() }})(t.Context(), json.RawMessage(`{}`))
		if !errors.Is(err, tt.err) || measured != int64(tt.removed) {
			t.Errorf("%+v: %v, measured %v", tt, err, measured)
		}
		if tt.err != nil && !strings.Contains(log.String(), tt.err.Error()) {
			t.Errorf("logged %s", &log)
		}
	}
}
