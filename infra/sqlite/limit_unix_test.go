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

// A limit on the size of files makes write(2) fail like a failing disk.
func TestItRecoversFromAFailingDisk(t *testing.T) {
	if err := child(t, "limit", filepath.Join(t.TempDir(), "hookcast.db")).Run(); err != nil {
		t.Error(err)
	}
}

// receiveOnceItWorks lets a message become visible while the disk fails, and waits for it with a receiver. A message
// that another receiver failed to release in the meantime stays with that receiver.
func receiveOnceItWorks(db *sqlite.DB, write func() error, all syscall.Rlimit) error {
	ctx := context.Background()
	q, other := db.Queue("q", sqlite.QueueOptions{Visibility: time.Hour}),
		db.Queue("other", sqlite.QueueOptions{Visibility: time.Hour})
	var held [2][]tenants.Received
	for i, q := range []*sqlite.Queue{q, other} {
		if err := q.Send(ctx, tenants.Message{Group: "g", Body: []byte("b")}); err != nil {
			return err
		}
		rs, err := q.Receive(ctx, 1, 0)
		if err != nil || len(rs) != 1 {
			return fmt.Errorf("first Receive: got %d messages, want 1: %w", len(rs), err)
		}
		held[i] = rs
	}
	if err := q.Release(ctx, 50*time.Millisecond, held[0]...); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1, Max: all.Max}); err != nil {
		return err
	}
	for name, err := range map[string]error{"Write": write(), "Release": other.Release(ctx, 0, held[1]...),
		"Done": other.Done(ctx, held[1]...)} {
		if tenants.KindOf(err) != tenants.Unavailable {
			return fmt.Errorf("%s under the limit: want Unavailable: %w", name, err)
		}
	}
	received := make(chan error, 1)
	if err := awaitRetries(db, q, received); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &all); err != nil {
		return err
	}
	if err := <-received; err != nil {
		return err
	}
	if rs, err := other.Receive(ctx, 1, 0); err != nil || len(rs) != 0 {
		return fmt.Errorf("second Receive: got %d messages that another receiver holds, want 0: %w", len(rs), err)
	}
	if err := other.Release(ctx, 0, held[1]...); err != nil {
		return err
	}
	if rs, err := other.Receive(ctx, 1, 0); err != nil || len(rs) != 1 || rs[0].Receives != 2 {
		return fmt.Errorf("Receive after the release: got %+v, want one message with 2 receives: %w", rs, err)
	}
	return nil
}

// awaitRetries starts a Receive that sends its result to received, and waits until the writer has failed three times to
// serve it.
func awaitRetries(db *sqlite.DB, q *sqlite.Queue, received chan error) error {
	go func() {
		rs, err := q.Receive(context.Background(), 1, time.Minute)
		if err == nil && (len(rs) != 1 || rs[0].Receives != 2) {
			err = fmt.Errorf("waiting Receive: got %+v, want one message with 2 receives", rs)
		}
		received <- err
	}()
	start, before := time.Now(), db.Stats().Failed
	for db.Stats().Failed < before+3 { // the writer retries without any call
		select {
		case err := <-received:
			return fmt.Errorf("waiting Receive ended while nothing could be written: %w", err)
		case <-time.After(time.Millisecond):
		}
		if time.Since(start) > 20*time.Second {
			return errors.New("the writer did not retry three times within 20 s")
		}
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		return fmt.Errorf("three retries within %v, want at least 100 ms", took)
	}
	return nil
}

// writeUnderLimit writes until the limit has made ten writes fail, and once more without it.
func writeUnderLimit(path string, write func() error, all syscall.Rlimit) error {
	info, err := os.Stat(path + "-wal")
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE,
		&syscall.Rlimit{Cur: uint64(info.Size()) + 100_000, Max: all.Max}); err != nil {
		return err
	}
	failures := 0
	for tries := 0; failures < 10 && tries < 1000; tries++ {
		if err := write(); err != nil {
			failures++
			if tenants.KindOf(err) != tenants.Unavailable {
				return err
			}
		}
	}
	if failures < 10 {
		return fmt.Errorf("%d of 1000 writes failed under the limit, want 10", failures)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &all); err != nil {
		return err
	}
	if err := write(); err != nil {
		return fmt.Errorf("without the limit: %w", err)
	}
	return nil
}

// limited is the action of the child: it writes under limits on the size of files.
func limited(db *sqlite.DB) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx, path := context.Background(), os.Getenv(childPath)
	acknowledged := 0
	write := func() error {
		for range 3 {
			ops := []tenants.Op{tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "log/a",
				Sort: fmt.Sprintf("%06d", acknowledged)}, make([]byte, 20_000), time.Time{}, tenants.Anything())}
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
		if err := writeUnderLimit(path, write, all); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	if err := receiveOnceItWorks(db, write, all); err != nil {
		return err
	}
	check := func(db *sqlite.DB) error {
		rows, err := db.Table().Query(ctx, tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 1000})
		if err == nil && len(rows) != acknowledged {
			err = fmt.Errorf("the table has %d rows, want %d", len(rows), acknowledged)
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
