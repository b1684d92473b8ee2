package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
)

// On a full disk a webhook is answered 503 with Retry-After, so that its provider sends it again. No acknowledged
// event is lost, even if the process is killed while the disk is full, and onebox recovers by itself once there is
// room.
func TestFullDiskAnswers503LosesNothingAndRecovers(t *testing.T) {
	disk := smallDisk(t)
	addr, data := peers.FreeAddr(), filepath.Join(disk, "data")
	p := start(t, addr, data)
	tenant := p.Signup(t, "full")
	p.Must(t, "PATCH", "/v1/tenants/"+tenant.ID, p.operatorKey(t),
		map[string]any{"limits": map[string]int{"events_per_second": 0}}).Want(t, 200)
	source := p.GitHubSource(t, tenant, "orders")

	body := []byte(`{"padding":"` + strings.Repeat("x", 32<<10) + `"}`)
	var acknowledged []string
	post := func() endtoend.Answer {
		t.Helper()
		a, err := p.GitHub(t.Context(), source, fmt.Sprint(len(acknowledged)), body)
		if err != nil {
			t.Fatal(err)
		}
		if a.Status == 202 || a.Status == 200 {
			var accepted endtoend.Accepted
			a.JSON(t, &accepted)
			acknowledged = append(acknowledged, accepted.ID)
		}
		return a
	}
	a := post()
	for a.Status == 202 && len(acknowledged) < 2000 {
		a = post()
	}
	var problem struct{ Code string }
	if err := json.Unmarshal(a.Body, &problem); a.Status != 503 || err != nil || a.Header.Get("Retry-After") == "" ||
		a.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("after %d events a webhook is answered %d %v %s, want 503 with Retry-After", len(acknowledged),
			a.Status, a.Header, a.Body)
	}
	t.Logf("%d events acknowledged before %s", len(acknowledged), problem.Code)

	resize(t, disk, "64m")
	await(t, "events to be accepted again", func() bool { return post().Status == 202 })
	p.kill()
	p = start(t, addr, data)
	history := awaitAll(t, p.Deployment, tenant, acknowledged)
	if len(history) != len(acknowledged) {
		t.Errorf("the channel has %d events, want the %d acknowledged ones", len(history), len(acknowledged))
	}
}

// smallDisk mounts a file system of 6 MB, which requires root.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("mounting a small disk requires root, and CI must not skip this test")
		}
		t.Skip("mounting a small disk requires root")
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=6m"); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() { // runs after the processes that were started later are killed and their files closed
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for syscall.Unmount(disk, 0) != nil && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	})
	return disk
}

func resize(t *testing.T, disk, size string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size="+size); err != nil {
		t.Fatal(err)
	}
}
