// Package privatefile writes and reads files that their owner alone may: keys, tokens, and what they guard. What it writes is there whole or
// not at all, whenever the process is killed.
package privatefile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// ErrTooLong is Read's answer to a file that holds more than was asked for.
var ErrTooLong = errors.New("the file is too long")

// ExposedError says that others than its owner may read or write the file, or that it is no regular file: what it holds may be known to others, or
// be somebody else's.
type ExposedError struct {
	Path string
	Mode os.FileMode
}

func (e *ExposedError) Error() string {
	if !e.Mode.IsRegular() {
		return e.Path + " is no file"
	}
	return fmt.Sprintf("%s can be read or written by others (mode %04o): make it yours alone (chmod 600), and replace what it holds if somebody may have seen it", e.Path, e.Mode.Perm())
}

// Read returns what the file at path holds, at most max bytes of it: *ExposedError, ErrTooLong, and fs.ErrNotExist where there is none. Windows keeps
// rights elsewhere than in the mode; there they are not looked at.
func Read(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, &ExposedError{path, mode}
	}
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(b)) > max {
		return nil, fmt.Errorf("%s: %w", path, ErrTooLong)
	}
	return b, err
}

// Create puts a file at path where there is none: fs.ErrExist where there is. It is on the disk when Create returns, and whoever finds it finds all
// of it.
func Create(path string, b []byte) error {
	return put(path, b, true, os.Link) // fails where path exists
}

// Replace puts a file in the place of what is at path, if anything. A machine that fails, rather than a process, may leave what was there before.
func Replace(path string, b []byte) error {
	return put(path, b, false, os.Rename)
}

// ReplaceDurably is Replace for what is on the disk when it returns.
func ReplaceDurably(path string, b []byte) error {
	return put(path, b, true, os.Rename)
}

// put writes a file beside path and has it take that name.
func put(path string, b []byte, durable bool, name func(from, to string) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // O_EXCL, mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // not there any more where it was renamed
	if _, err = f.Write(b); err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := name(f.Name(), path); err != nil || !durable {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder has the names in a folder reach the disk. On Windows folders cannot be synced, and need not be: names are journaled.
func SyncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
