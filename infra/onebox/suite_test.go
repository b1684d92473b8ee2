package main

import (
	"path/filepath"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend"
)

func TestSuite(t *testing.T) {
	p := start(t, endtoend.FreeAddr(), filepath.Join(t.TempDir(), "data"), "-allow-private")
	endtoend.Suite(t, p.Deployment, p.operatorKey(t))
}
