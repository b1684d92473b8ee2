package record_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

type counter struct{ N int }

var counterKey = tenants.Key{Tenant: tenants.System, Kind: "counter"}

func increment(now counter, was tenants.Condition) ([]tenants.Op, error) {
	return []tenants.Op{tenants.Put(counterKey, record.Encode(counter{now.N + 1}), time.Time{}, was)}, nil
}

// Ten writers increment one counter at once, and every increment counts.
func TestUpdatesOfRacingWritersAllCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := tenantstest.NewTable(tenantstest.Faults{})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				for range 10 {
					if err := record.Update(context.Background(), table, counterKey, increment); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		got, _, err := record.Find[counter](context.Background(), table, counterKey)
		if err != nil || got.N != 100 {
			t.Errorf("counter: got %d, %v, want 100", got.N, err)
		}
	})
}

func TestUpdateWritesNothingWithoutOps(t *testing.T) {
	table := tenantstest.NewTable(tenantstest.Faults{})
	refused := errors.New("refused")
	for _, want := range []error{nil, refused} {
		err := record.Update(context.Background(), table, counterKey,
			func(counter, tenants.Condition) ([]tenants.Op, error) {
				return nil, want
			})
		if !errors.Is(err, want) {
			t.Errorf("Update: got %v, want the error of f, %v", err, want)
		}
	}
	if _, was, err := record.Find[counter](context.Background(), table, counterKey); err != nil || !was.IsAbsent() {
		t.Errorf("got condition %+v, %v, want Absent", was, err)
	}
}

// Update gives up after a bounded number of tries if the row changes between each read and write.
func TestUpdateOfAContendedRowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := tenantstest.NewTable(tenantstest.Faults{})
		calls := 0
		err := record.Update(context.Background(), table, counterKey,
			func(now counter, was tenants.Condition) ([]tenants.Op, error) {
				calls++
				other := tenants.Put(counterKey, record.Encode(counter{now.N + 10}), time.Time{}, tenants.Anything())
				if err := table.Write(context.Background(), other); err != nil {
					t.Fatal(err)
				}
				return increment(now, was)
			})
		if !errors.Is(err, record.ErrContended) || calls != 64 {
			t.Errorf("got %v after %d tries, want ErrContended after 64", err, calls)
		}
	})
}

func TestUpdateEndsWithItsContext(t *testing.T) {
	table := tenantstest.NewTable(tenantstest.Faults{})
	ctx, cancel := context.WithCancel(context.Background())
	err := record.Update(ctx, table, counterKey, func(now counter, was tenants.Condition) ([]tenants.Op, error) {
		if err := table.Write(context.Background(),
			tenants.Put(counterKey, []byte("{}"), time.Time{}, tenants.Anything())); err != nil {
			t.Fatal(err)
		}
		cancel()
		return increment(now, was)
	})
	if tenants.KindOf(err) != tenants.Unavailable {
		t.Errorf("got %v, want an error of kind Unavailable", err)
	}
}
