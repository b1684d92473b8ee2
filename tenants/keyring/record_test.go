package keyring

import (
	"testing"

	"github.com/hookcast/hookcast/tenants/tenantstest/golden"
)

func TestRecordEncodings(t *testing.T) {
	golden.Check(t, golden.Record{Kind: string(rowDeployment), Value: rootRecord{Sealed: []byte{6}}})
}
