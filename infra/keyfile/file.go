package keyfile

import (
	"crypto/rand"
	"errors"
	"io/fs"

	"github.com/hookcast/hookcast/infra/privatefile"
	"github.com/hookcast/hookcast/tenants"
)

// Open returns the vault with the key in the file at path, 32 random bytes. If the file does not exist, Open creates
// it with mode 0600 and syncs it to the disk. It refuses a file that users other than its owner may read or write
// (code key_file_exposed), and a file that does not have 32 bytes (code key_file_damaged). Secrets must not be sealed
// under a key that others may know or that may be lost.
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
		return nil, tenants.Errorf(tenants.Internal, "key_file_damaged", "%s must contain a key of %d bytes",
			path, keyBytes)
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
