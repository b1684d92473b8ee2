package kms_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"testing"
)

// golden was sealed by another implementation of AES-GCM, with a data key of 32 bytes of 7 and a nonce of 0, 1, 2, …
const golden = "02" + "0007" + "77726170706564" + "000102030405060708090a0b7fee85147867a3f058c72072ad1db7d9bf730dbb56a1"

// The format never changes: every release must open the secrets of all earlier ones.
func TestSealedFormatStays(t *testing.T) {
	sealed, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t)
	s.fail = func(action string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var in struct {
				KeyID               string `json:"KeyId"`
				CiphertextBlob      []byte
				EncryptionContext   map[string]string
				EncryptionAlgorithm string
			}
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil || action != "Decrypt" {
				t.Errorf("KMS was called with %s, %v, want Decrypt", action, err)
			}
			if in.KeyID != keyARN || string(in.CiphertextBlob) != "wrapped" || len(in.EncryptionContext) != 1 ||
				in.EncryptionContext["deployment"] != "production" {
				t.Errorf("KMS was called with %+v, want key %s and deployment production", in, keyARN)
			}
			if err := json.NewEncoder(w).Encode(map[string]any{"KeyId": keyARN,
				"Plaintext": bytes.Repeat([]byte{7}, 32)}); err != nil {
				t.Error(err)
			}
		}
	}
	opens(t, s.vault(), sealed, "golden")
}
