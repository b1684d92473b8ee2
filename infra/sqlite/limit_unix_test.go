//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
)

// A limit on the size of files makes write(2) itself fail, as a failing disk does.
func TestItRecoversFromAFailingDisk(t *testing.T) {
	if err := child(t, "limit", filepath.Join(t.TempDir(), "hookcast.db")).Run(); err != nil {
		t.Error(err)
	}
}

// receiveOnceItWorks has a message become visible while the disk fails, and a receiver wait for it. What another receiver failed to give back
// meanwhile stays that one's.
func receiveOnceItWorks(db *sqlite.DB, write func() error, all syscall.Rlimit) error {
	ctx := context.Background()
	q, other := db.Queue("q", sqlite.QueueOptions{Visibility: time.Hour}), db.Queue("other", sqlite.QueueOptions{Visibility: time.Hour})
	var held [2][]tenants.Received
	for i, q := range []*sqlite.Queue{q, other} {
		if err := q.Send(ctx, tenants.Message{Group: "g", Body: []byte("b")}); err != nil {
			return err
		}
		rs, err := q.Receive(ctx, 1, 0)
		if err != nil || len(rs) != 1 {
			return fmt.Errorf("%d messages, %w", len(rs), err)
		}
		held[i] = rs
	}
	if err := q.Release(ctx, 50*time.Millisecond, held[0]...); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1, Max: all.Max}); err != nil {
		return err
	}
	for name, err := range map[string]error{"Write": write(), "Release": other.Release(ctx, 0, held[1]...), "Done": other.Done(ctx, held[1]...)} {
		if tenants.KindOf(err) != tenants.Unavailable {
			return fmt.Errorf("%s did not feel the limit: %w", name, err)
		}
	}
	received := make(chan error, 1)
	go func() {
		rs, err := q.Receive(ctx, 1, time.Minute)
		if err == nil && (len(rs) != 1 || rs[0].Receives != 2) {
			err = fmt.Errorf("received %+v", rs)
		}
		received <- err
	}()
	start, before := time.Now(), db.Stats().Failed
	for db.Stats().Failed < before+3 { // it is tried again and again, though nobody calls
		select {
		case err := <-received:
			return fmt.Errorf("it was received while nothing could be written: %w", err)
		case <-time.After(time.Millisecond):
		}
		if time.Since(start) > 20*time.Second {
			return errors.New("it is not tried again")
		}
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		return fmt.Errorf("three tries in %v", took)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &all); err != nil {
		return err
	}
	if err := <-received; err != nil {
		return err
	}
	if rs, err := other.Receive(ctx, 1, 0); err != nil || len(rs) != 0 {
		return fmt.Errorf("%d messages that another holds, %w", len(rs), err)
	}
	if err := other.Release(ctx, 0, held[1]...); err != nil {
		return err
	}
	if rs, err := other.Receive(ctx, 1, 0); err != nil || len(rs) != 1 || rs[0].Receives != 2 {
		return fmt.Errorf("after its release: %+v, %w", rs, err)
	}
	return nil
}

func limited(db *sqlite.DB) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx, path := context.Background(), os.Getenv(childPath)
	acknowledged := 0
	write := func() error {
		for range 3 {
			ops := []tenants.Op{tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "log/a", Sort: fmt.Sprintf("%06d", acknowledged)}, make([]byte, 20_000), time.Time{}, tenants.Anything())}
			if err := db.Table().Write(ctx, ops...); err != nil {
				return err
			}
			acknowledged++
		}
		return nil
	}
	var all syscall.Rlimit
	if err := errors.Join(write(), syscall.Getrlimit(syscall.RLIMIT_FSIZE, &all)); err != nil {
		return err
	}
	for round := range 3 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(info.Size()) + 100_000, Max: all.Max}); err != nil {
			return err
		}
		failures := 0
		for tries := 0; failures < 10 && tries < 1000; tries++ {
			if err := write(); err != nil {
				failures++
				if tenants.KindOf(err) != tenants.Unavailable {
					return fmt.Errorf("round %d: %w", round, err)
				}
			}
		}
		if failures < 10 {
			return errors.New("the limit was never felt")
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &all); err != nil {
			return err
		}
		if err := write(); err != nil {
			return fmt.Errorf("round %d, with room: %w", round, err)
		}
	}
	if err := receiveOnceItWorks(db, write, all); err != nil {
		return err
	}
	check := func(db *sqlite.DB) error {
		rows, err := db.Table().Query(ctx, tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 1000})
		if err == nil && len(rows) != acknowledged {
			err = fmt.Errorf("%d rows of %d", len(rows), acknowledged)
		}
		return err
	}
	if err := errors.Join(check(db), db.Close()); err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	return check(db)
}
