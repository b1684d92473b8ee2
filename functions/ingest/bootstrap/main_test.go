package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

// A provider waits while a cold function starts, so ingest must not link packages that it does not need.
func TestIngestLinksNothingOfTheStreamsNorOfTheOneBox(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("go list named %d packages, want at least 50", len(deps))
	}
	for _, d := range deps {
		for _, heavy := range []string{"gofiber", "fasthttp", "casbin", "sqlite", "golang-jwt", "hookcast/streamer",
			"tenants/api", "tenants/access"} {
			if strings.Contains(d, heavy) {
				t.Errorf("the binary links %s", d)
			}
		}
	}
}

const maxBinary = 13 << 20 // bytes; Lambda fetches and unpacks the binary on a cold start

func TestTheBinaryStaysSmall(t *testing.T) {
	depth.NeedsAll(t) // it compiles everything for another machine
	path := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() > maxBinary {
		t.Errorf("the binary has %d bytes, want at most %d", info.Size(), maxBinary)
	}
}
