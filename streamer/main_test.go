package streamer

import (
	"os"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

func TestMain(m *testing.M) {
	depth.Parallel(8) // they wait for other servers' pauses
	code := m.Run()
	browser.Close()
	os.Exit(code)
}
