// Package operatorkey keeps an operator's key in a file, for a deployment that is given the key's hash and never sees the key.
package operatorkey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/hookcast/hookcast/infra/privatefile"
	"github.com/hookcast/hookcast/tenants"
)

// Hash returns the hash of the operator's key in the file at path. Where there is no file it makes a key and writes it there, for its owner
// alone to read. A file that holds anything else is an error that names the file and quotes nothing of it.
func Hash(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = create(path)
	}
	if err != nil {
		return "", err
	}
	hash, err := tenants.OperatorKeyHash(strings.TrimSpace(string(text)))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return hash, nil
}

// create never writes over a key: two who make one at once do not end with the hash of a key that is gone.
func create(path string) ([]byte, error) {
	text := []byte(tenants.NewOperatorKey() + "\n")
	return text, privatefile.Create(path, text)
}
