package endtoend

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

const module = "github.com/hookcast/hookcast/"

// Build builds the program in a folder of the module, "infra/onebox", as a user would, and returns the path of a copy
// in the folder into. It is linked once for the test processes of all packages, in a folder of the user's cache.
func Build(into, program string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	shared := filepath.Join(cache, "hookcast", "programs")
	if err := os.MkdirAll(shared, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(shared, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	name := filepath.Base(program)
	// The go command links only if what lies there is not what it would link.
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(shared, name), module+program)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", program, err, out)
	}
	// A copy stays as it is, whatever is built next. It shares no memory with other packages' processes either.
	return filepath.Join(into, name), copyProgram(filepath.Join(shared, name), filepath.Join(into, name))
}

// copyProgram copies a program. No other goroutine starts a process meanwhile: until it runs its own program, a child
// holds every file that is open here, and a file that is open for writing cannot be run (golang.org/issue/22315).
func copyProgram(from, to string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
