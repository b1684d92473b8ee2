package keyfile

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hookcast/hookcast/tenants"
)

// Open returns the vault of the key in the file at path: 32 random bytes. Where there is no file it makes one, mode 0600, that is on the
// disk when Open returns. A file that others than its owner may read or write (code key_file_exposed), or that holds anything
// but 32 bytes (code key_file_damaged), is refused: nothing is sealed under a key that may be known or may not come back.
func Open(path string) (*Vault, error) {
	key, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, unusable(err)
		}
		key, err = read(path)
	}
	if err != nil {
		return nil, unusable(err)
	}
	return &Vault{key}, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, tenants.Errorf(tenants.Internal, "key_file_exposed", "%s must be a file that its owner alone can read: chmod 600", path)
	}
	key, err := io.ReadAll(io.LimitReader(f, keyBytes+1))
	if err != nil {
		return nil, err
	}
	if len(key) != keyBytes {
		return nil, tenants.Errorf(tenants.Internal, "key_file_damaged", "%s does not hold a key of %d bytes", path, keyBytes)
	}
	return key, nil
}

// create makes the file in one step: it is written under another name and linked, so that whoever finds it finds all of it.
func create(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // O_EXCL, mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	key := make([]byte, keyBytes)
	rand.Read(key)
	if _, err = f.Write(key); err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // fails where path exists
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func unusable(err error) error {
	if _, ok := errors.AsType[*tenants.Error](err); ok {
		return err
	}
	return tenants.Errorf(tenants.Internal, "key_file_unusable", "%w", err)
}
