package kms_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hookcast/hookcast/tenants"
)

func failing(status int, code string) func(string) http.HandlerFunc {
	return func(string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-Requestid", "the-request-id")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": code,
				"message": "the canonical request was x-amz-security-token:SECRET"})
		}
	}
}

func TestErrorsHaveTheKindOfWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		kind   tenants.ErrorKind
		ours   string
		calls  int // with the SDK's retries
	}{
		{400, "ThrottlingException", tenants.Unavailable, "vault_throttled", 3},
		{500, "KMSInternalException", tenants.Unavailable, "vault_unavailable", 3},
		{500, "DependencyTimeoutException", tenants.Unavailable, "vault_unavailable", 3},
		{503, "ServiceUnavailable", tenants.Unavailable, "vault_unavailable", 3},
		{400, "ExpiredTokenException", tenants.Unavailable, "credentials_expired", 1},
		{400, "UnrecognizedClientException", tenants.Unavailable, "credentials_expired", 1},
		{400, "AccessDeniedException", tenants.Internal, "vault_refused", 1},
		{400, "SignatureDoesNotMatch", tenants.Internal, "vault_refused", 1},
		{400, "DisabledException", tenants.Internal, "vault_key_unusable", 1},
		{400, "KMSInvalidStateException", tenants.Internal, "vault_key_unusable", 1},
		{400, "NotFoundException", tenants.Internal, "vault_key_unusable", 1},
		{400, "InvalidCiphertextException", tenants.Internal, "unsealable", 1},
		{400, "IncorrectKeyException", tenants.Internal, "unsealable", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(t)
			sealed := seal(t, s.vault(), "secret")
			s.calls = map[string]int{}
			s.fail = failing(tt.status, tt.code)
			v := s.vault()
			_, err := v.Open(t.Context(), "ten_a", "source", sealed)
			if err == nil || tenants.KindOf(err) != tt.kind || tenants.CodeOf(err) != tt.ours ||
				s.of("Decrypt") != tt.calls {
				t.Fatalf("%s: Open = %v after %d calls, want %s after %d", tt.code, err, s.of("Decrypt"), tt.ours,
					tt.calls)
			}
			e, _ := errors.AsType[*tenants.Error](err)
			if said := err.Error(); strings.Contains(said, "SECRET") || !strings.Contains(said, "the-request-id") ||
				strings.Contains(e.Detail, "request") {
				t.Errorf("%s: Open = %q, want the request's id and no secret", tt.code, said)
			}
			if _, err := v.Seal(t.Context(), "ten_a", "source", nil); err == nil || tenants.KindOf(err) != tt.kind {
				t.Errorf("%s: Seal = %v, want kind %v", tt.code, err, tt.kind)
			}

			s.fail = nil // failures must not be cached
			opens(t, v, sealed, "secret")
			opens(t, v, seal(t, v, "another"), "another")
		})
	}
}

func TestKMSOutOfReachIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		v := s.vault()
		s.fail = func(string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"Plaintext":"`) }
		}
		if _, err := v.Seal(t.Context(), "ten_a", "source", nil); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("Seal after an incomplete response = %v, want Unavailable", err)
		}
		s.fail = func(string) http.HandlerFunc { return func(http.ResponseWriter, *http.Request) {} }
		if _, err := v.Seal(t.Context(), "ten_a", "source", nil); err == nil {
			t.Error("Seal after an empty response succeeded, want an error")
		}
	})
}

func TestWhatWasSealedElsewhereDoesNotOpen(t *testing.T) {
	s := newService(t)
	sealed := seal(t, s.vault(), "secret")
	foreign := append(bytes.Clone(seal(t, s.vaultOf(keyARN, "staging"), "x")[:63]), sealed[63:]...)
	for name, b := range map[string][]byte{
		"another's data key":      foreign,
		"another version":         append([]byte{1}, sealed[1:]...),
		"no data key":             {2, 0, 0, 1, 2, 3},
		"a length beyond the end": {2, 0xff, 0xff, 1},
		"a long data key":         append(binary.BigEndian.AppendUint16([]byte{2}, 7000), make([]byte, 8000)...),
	} {
		for _, deployment := range []string{"production", "staging", ""} {
			if plain, err := s.vaultOf(keyARN, deployment).Open(t.Context(), "ten_a", "source", b); plain != nil ||
				tenants.CodeOf(err) != "unsealable" {
				t.Errorf("%s, deployment %q: Open = %q, %v, want unsealable", name, deployment, plain, err)
			}
		}
	}
	for _, deployment := range []string{"staging", "", "Production"} {
		if plain, err := s.vaultOf(keyARN, deployment).Open(t.Context(), "ten_a", "source", sealed); plain != nil ||
			tenants.CodeOf(err) != "unsealable" {
			t.Errorf("deployment %q: Open = %q, %v, want unsealable", deployment, plain, err)
		}
	}
	if plain, err := s.vaultOf("another-key", "production").Open(t.Context(), "ten_a", "source",
		sealed); plain != nil || tenants.CodeOf(err) != "unsealable" {
		t.Errorf("another key: Open = %q, %v, want unsealable", plain, err)
	}
	opens(t, s.vaultOf("1234abcd-12ab-34cd-56ef-1234567890ab", "production"), sealed, "secret")
}

// An attacker who can write to the table can neither move a secret nor replace its data key.
func TestTheDataKeyIsBoundToTheSecret(t *testing.T) {
	s := newService(t)
	one, two := seal(t, s.vault(), "secret"), seal(t, s.vault(), "secret")
	if _, err := s.vault().Open(t.Context(), "ten_a", "source",
		slices.Concat(one[:63], two[63:])); tenants.CodeOf(err) != "unsealable" {
		t.Errorf("Open with the data key of another secret = %v, want unsealable", err)
	}
}

func TestLargeSecretsAreRefused(t *testing.T) {
	s := newService(t)
	if _, err := s.vault().Seal(t.Context(), "ten_a", "p",
		make([]byte, 4<<10+1)); tenants.KindOf(err) != tenants.TooLarge || s.of("GenerateDataKey") != 0 {
		t.Errorf("Seal of 4 KB and a byte = %v, want TooLarge without a call to KMS", err)
	}
}
