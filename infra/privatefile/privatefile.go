// Package privatefile reads and writes files that only their owner can access, such as keys and tokens. Writes are
// atomic: if the process is killed, the file has either its old or its new content.
package privatefile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// ErrTooLong is returned by Read if the file has more than max bytes.
var ErrTooLong = errors.New("the file is too long")

// ExposedError is returned by Read if users other than the owner may read or write the file, or if it is not a
// regular file. Others may know its content or have written it.
type ExposedError struct {
	Path string
	Mode os.FileMode
}

func (e *ExposedError) Error() string {
	if !e.Mode.IsRegular() {
		return e.Path + " is not a regular file"
	}
	return fmt.Sprintf("%s can be read or written by others (mode %04o): run chmod 600 on it, and replace its "+
		"content if others may have seen it", e.Path, e.Mode.Perm())
}

// Read returns the content of the file at path, at most max bytes. The error is an *ExposedError, or ErrTooLong if
// the file is longer, or fs.ErrNotExist if it does not exist. On Windows permissions are not part of the mode and are
// not checked.
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
		return nil, &ExposedError{Path: path, Mode: mode}
	}
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(b)) > max {
		return nil, fmt.Errorf("%s: %w", path, ErrTooLong)
	}
	return b, err
}

// Create writes a new file at path and syncs it to the disk. The error is fs.ErrExist if the file exists. Concurrent
// readers see either no file or all of it.
func Create(path string, b []byte) error {
	return put(path, b, true, os.Link) // fails if path exists
}

// Replace writes the file at path, whether it exists or not. It does not sync: if the machine fails, the old content
// may remain.
func Replace(path string, b []byte) error {
	return put(path, b, false, os.Rename)
}

// ReplaceDurably is like Replace but syncs the file to the disk.
func ReplaceDurably(path string, b []byte) error {
	return put(path, b, true, os.Rename)
}

// put writes a temporary file next to path and gives it that name with the function name.
func put(path string, b []byte, durable bool, name func(from, to string) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // O_EXCL, mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails if it was renamed
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

// SyncFolder syncs the names in a folder to the disk. On Windows folders cannot be synced and need not be, because
// names are journaled.
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
