package keyfile

import (
	"crypto/rand"
	"errors"
	"io/fs"

	"github.com/hookcast/hookcast/infra/privatefile"
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
	key, err := privatefile.Read(path, keyBytes)
	if exposed, ok := errors.AsType[*privatefile.ExposedError](err); ok {
		return nil, tenants.Errorf(tenants.Internal, "key_file_exposed", "%w", exposed)
	}
	if errors.Is(err, privatefile.ErrTooLong) || err == nil && len(key) != keyBytes {
		return nil, tenants.Errorf(tenants.Internal, "key_file_damaged", "%s does not hold a key of %d bytes", path, keyBytes)
	}
	return key, err
}

func create(path string) error {
	key := make([]byte, keyBytes)
	rand.Read(key)
	return privatefile.Create(path, key)
}

func unusable(err error) error {
	if _, ok := errors.AsType[*tenants.Error](err); ok {
		return err
	}
	return tenants.Errorf(tenants.Internal, "key_file_unusable", "%w", err)
}
