package hub

import (
	"testing"

	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

func TestMain(m *testing.M) {
	depth.Parallel(8) // they wait until somebody is cut
	m.Run()
}
