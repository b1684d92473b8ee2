package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
)

func TestCloseEndsWhatWaitsAndRefusesWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hookcast.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		q := db.Queue("q", options)
		waiting := make(chan error, 1)
		go func() {
			_, err := q.Receive(t.Context(), 1, time.Hour)
			waiting <- err
		}()
		synctest.Wait()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; tenants.CodeOf(err) != "storage_closed" {
			t.Errorf("a waiting Receive = %v, want storage_closed", err)
		}
		_, get := db.Table().Get(t.Context(), tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: "a"})
		for name, err := range map[string]error{"Send": q.Send(t.Context(), tenants.Message{Body: []byte("b")}),
			"Get": get} {
			if tenants.KindOf(err) != tenants.Unavailable {
				t.Errorf("%s after Close = %v, want Unavailable", name, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Errorf("second Close = %v, want nil", err)
		}
	})
}

func TestOpenRefusesWhatItCannotKeep(t *testing.T) {
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none", "hookcast.db"),
		sqlite.Options{}); tenants.CodeOf(err) != "storage_open" {
		t.Errorf("Open without a folder = %v, want storage_open", err)
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hookcast.db"),
		sqlite.Options{Synchronous: "NORMAL"}); tenants.CodeOf(err) != "storage_option" {
		t.Errorf("Open with synchronous NORMAL = %v, want storage_option", err)
	}
	path := filepath.Join(t.TempDir(), "hookcast.db")
	db := openAt(t, path, sqlite.Options{})
	if err := db.SetSchema(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); tenants.CodeOf(err) != "storage_newer" {
		t.Errorf("Open with a later schema = %v, want storage_newer", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "hookcast.db"),
		sqlite.Options{}); tenants.KindOf(err) != tenants.Unavailable {
		t.Errorf("Open with a cancelled context = %v, want Unavailable", err)
	}
}
