package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

// Some tests need another process. It is this binary with variables that name an action and a file.
const childDoes, childPath = "SQLITE_TEST_CHILD", "SQLITE_TEST_PATH"

// children are the actions of another process.
var children = map[string]func(db *sqlite.DB) error{
	"load":  load,
	"limit": limited,
	"hold": func(*sqlite.DB) error {
		fmt.Println("open")
		os.Stdin.Read(make([]byte, 1)) // until the parent closes it
		return nil
	},
}

func TestMain(m *testing.M) {
	if does := os.Getenv(childDoes); does != "" {
		db, err := sqlite.Open(context.Background(), os.Getenv(childPath), sqlite.Options{})
		if err == nil {
			err = children[does](db)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	depth.Parallel(16) // they wait until messages come again
	os.Exit(m.Run())
}

func child(t *testing.T, does, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDoes+"="+does, childPath+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

const loaders = 16

// load sends messages and writes rows, and prints each one once it is acknowledged, until it is killed. A receiver
// turns messages into rows.
func load(db *sqlite.DB) error {
	ctx := context.Background()
	q, table := db.Queue("ingest", sqlite.QueueOptions{}), db.Table()
	failed := make(chan error)
	life := rand.Int64()
	for g := range loaders {
		go func() {
			for n := 0; ; n++ {
				body := fmt.Sprintf("%d-%d-%d", life, g, n)
				if err := q.Send(ctx, tenants.Message{Group: fmt.Sprint(g), Dedupe: body,
					Body: []byte(body)}); err != nil {
					failed <- err
					return
				}
				fmt.Printf("sent %s\n", body)
				var ops []tenants.Op
				for i := range 3 {
					ops = append(ops, tenants.Put(tenants.Key{
						Tenant: "ten_a", Kind: tenants.Kind(fmt.Sprintf("log/%d-%d", life, g)),
						Sort: fmt.Sprintf("%06d", 3*n+i),
					}, []byte(body), time.Time{}, tenants.Absent()))
				}
				if _, err := table.WriteEach(ctx, ops...); err != nil {
					failed <- err
					return
				}
				fmt.Printf("wrote %d-%d %d\n", life, g, 3*n+3)
			}
		}()
	}
	go func() {
		for {
			rs, err := q.Receive(ctx, 10, time.Minute)
			for _, r := range rs {
				if err == nil {
					err = table.Write(ctx, tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: string(r.Body)},
						nil, time.Time{}, tenants.Anything()))
				}
			}
			if err == nil {
				err = q.Done(ctx, rs...)
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	return <-failed
}

// runKilled runs the action load on the file at path and kills it at a random moment. It records the acknowledged
// messages in sent and the numbers of acknowledged rows of each log in wrote.
func runKilled(t *testing.T, path string, sent map[string]bool, wrote map[string]int) {
	t.Helper()
	cmd := child(t, "load", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := 100 + rand.IntN(1500)
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var name string
		var rows int
		if _, err := fmt.Sscanf(lines.Text(), "sent %s", &name); err == nil {
			sent[name] = true
		} else if _, err := fmt.Sscanf(lines.Text(), "wrote %s %d", &name, &rows); err == nil {
			wrote[name] = rows
		}
		if n == deadline {
			cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended with %v, want to be killed", err)
	}
}

// checkLog checks that the log has its first n rows without a hole.
func checkLog(t *testing.T, db *sqlite.DB, name string, n int) {
	t.Helper()
	after := ""
	for i := 0; i < n; {
		rows, err := db.Table().Query(t.Context(),
			tenants.Range{Tenant: "ten_a", Kind: tenants.Kind("log/" + name), After: after, Limit: 1000})
		if err != nil || len(rows) == 0 {
			t.Fatalf("log %s has %d rows, want %d; %v", name, i, n, err)
		}
		for _, r := range rows {
			if r.Sort != fmt.Sprintf("%06d", i) {
				t.Fatalf("log %s has row %s at position %d", name, r.Sort, i)
			}
			i++
		}
		after = rows[len(rows)-1].Sort
	}
}

func TestKilledAtAnyMomentItKeepsAllThatItAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hookcast.db")
	sent, wrote := map[string]bool{}, map[string]int{}
	for range 3 {
		runKilled(t, path, sent, wrote)
	}
	db := openAt(t, path, sqlite.Options{})
	if n, err := db.Count(t.Context(),
		"SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); err != nil || n != 0 {
		t.Fatalf("integrity_check reports %d problems, %v, want none", n, err)
	}
	q := db.Queue("ingest", sqlite.QueueOptions{})
	waiting := map[string]bool{}
	for {
		rs, err := q.Receive(t.Context(), 100, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) == 0 {
			break
		}
		for _, r := range rs {
			waiting[string(r.Body)] = true
		}
		if err := q.Done(t.Context(), rs...); err != nil {
			t.Fatal(err)
		}
	}
	for name := range sent {
		_, err := db.Table().Get(t.Context(), tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: name})
		if err != nil && !waiting[name] {
			t.Errorf("message %s was acknowledged, but is neither in the queue nor a row: %v", name, err)
		}
	}
	for name, n := range wrote {
		checkLog(t, db, name, n)
	}
	if len(sent) < 100 || len(wrote) == 0 {
		t.Errorf("the children acknowledged %d messages and %d logs, want at least 100 and 1", len(sent), len(wrote))
	}
}

func TestASecondProcessIsKeptOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hookcast.db")
	cmd := child(t, "hold", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the child printed %q, %v, want open", line, err)
	}
	inUse := func() {
		t.Helper()
		db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if tenants.KindOf(err) != tenants.Conflict || tenants.CodeOf(err) != "storage_in_use" {
			t.Errorf("Open = %v, want Conflict with code storage_in_use", err)
		}
		if db != nil {
			db.Close()
		}
	}
	inUse()
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path, sqlite.Options{})
	inUse() // the same within this process
}
