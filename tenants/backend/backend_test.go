package backend_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/backend"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

func TestACountThatCannotBeHadIsNothingAndLogged(t *testing.T) {
	for _, down := range []bool{false, true} {
		faults := tenantstest.Faults{}
		if down {
			faults.Unread = 1
		}
		table := tenantstest.NewTable(faults)
		var log bytes.Buffer
		b := backend.Backend{Interest: node.NewInterest(table)}
		b.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		if n := b.Subscribers(t.Context(), "ten_1", "orders"); n != 0 {
			t.Errorf("got %d subscribers, want 0", n)
		}
		if b.Left(t.Context(), "ten_1", "client.con_1") && down {
			t.Error("a client has left although nobody could tell")
		}
		if got := strings.Count(log.String(), "ten_1"); down != (got > 0) {
			t.Errorf("with the table down (%v) it logged %s", down, &log)
		}
	}
}
