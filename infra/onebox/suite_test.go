package main

import (
	"path/filepath"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	p := start(t, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"), "-allow-private")
	endtoend.Suite(t, p.Deployment, p.operatorKey(t))
}
