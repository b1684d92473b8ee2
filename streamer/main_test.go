package streamer

import (
	"os"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
)

func TestMain(m *testing.M) {
	code := m.Run()
	browser.Close()
	os.Exit(code)
}
