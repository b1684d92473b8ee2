// Package operatorkey stores an operator's key in a file. A deployment gets only the hash of the key.
package operatorkey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/hookcast/hookcast/infra/privatefile"
	"github.com/hookcast/hookcast/tenants/account"
)

// Hash returns the hash of the operator's key in the file at path. If the file does not exist, Hash creates a key and
// writes it to the file with mode 0600. If the file has other content, the error names the file but does not quote
// the content.
func Hash(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = create(path)
	}
	if err != nil {
		return "", err
	}
	hash, err := account.OperatorKeyHash(strings.TrimSpace(string(text)))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return hash, nil
}

// create creates a key. It never overwrites a file, so of two concurrent callers neither returns the hash of a key
// that is lost.
func create(path string) ([]byte, error) {
	text := []byte(account.NewOperatorKey() + "\n")
	return text, privatefile.Create(path, text)
}
