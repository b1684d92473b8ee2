package kms_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/hookcast/hookcast/infra/awslocal/emulator"
	"github.com/hookcast/hookcast/infra/kms"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest/contract"
)

const keyARN = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// service is a KMS without a network, so tests can run it in a synctest bubble. It counts the calls.
type service struct {
	*emulator.KMS
	mu    sync.Mutex
	calls map[string]int
	fail  func(action string) http.HandlerFunc // if not nil, its result, if not nil, responds instead of KMS
}

func newService(t *testing.T) *service {
	t.Helper()
	k, err := emulator.NewKMS(keyARN, []byte("the secret of a test"))
	if err != nil {
		t.Fatal(err)
	}
	return &service{KMS: k, calls: map[string]int{}}
}

// Do implements aws.HTTPClient.
func (s *service) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	s.mu.Lock()
	s.calls[action]++
	fail := s.fail
	s.mu.Unlock()
	w := httptest.NewRecorder()
	if fail != nil {
		if handler := fail(action); handler != nil {
			handler(w, r)
			return w.Result(), nil
		}
	}
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

func (s *service) of(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[action]
}

func (s *service) vaultOf(key, deployment string) *kms.Vault {
	return kms.New(aws.Config{
		Region: "eu-central-1", HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE",
			"an example's secret", ""),
	}, key, deployment)
}

func (s *service) vault() *kms.Vault { return s.vaultOf(keyARN, "production") }

func seal(t *testing.T, v *kms.Vault, plain string) []byte {
	t.Helper()
	sealed, err := v.Seal(t.Context(), "ten_a", "source", []byte(plain))
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return sealed
}

func opens(t *testing.T, v *kms.Vault, sealed []byte, want string) {
	t.Helper()
	plain, err := v.Open(t.Context(), "ten_a", "source", sealed)
	if err != nil || string(plain) != want {
		t.Errorf("Open = %q, %v, want %q", plain, err, want)
	}
}

func TestVaultKeepsItsContract(t *testing.T) {
	contract.TestVault(t, func(t *testing.T) tenants.Vault { return newService(t).vault() })
}

// The other tests use no network; this one checks the protocol over a real connection.
func TestVaultOverHTTP(t *testing.T) {
	server := httptest.NewServer(newService(t).KMS)
	defer server.Close()
	cfg := aws.Config{
		Region: "eu-central-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "an example's secret", ""),
	}
	sealed := seal(t, kms.New(cfg, keyARN, "production"), "secret")
	opens(t, kms.New(cfg, keyARN, "production"), sealed, "secret")
}

func TestOneDataKeySealsManySecrets(t *testing.T) {
	s := newService(t)
	v := s.vault()
	var sealed [][]byte
	for range 100 {
		sealed = append(sealed, seal(t, v, "secret"))
	}
	for _, b := range sealed {
		opens(t, v, b, "secret")
	}
	if s.of("GenerateDataKey") != 1 || s.of("Decrypt") != 0 {
		t.Errorf("the process that sealed made calls %v, want 1 GenerateDataKey", s.calls)
	}
	other := s.vault()
	for _, b := range sealed {
		opens(t, other, b, "secret")
	}
	if s.of("GenerateDataKey") != 1 || s.of("Decrypt") != 1 {
		t.Errorf("with another process there were calls %v, want 1 Decrypt more", s.calls)
	}
}

func TestTheDataKeyIsAnotherOneAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		v := s.vault()
		first := seal(t, v, "secret")
		time.Sleep(time.Hour - time.Second)
		last := seal(t, v, "secret")
		if s.of("GenerateDataKey") != 1 || !bytes.Equal(first[:60], last[:60]) {
			t.Errorf("calls within the hour: %v, want 1 GenerateDataKey", s.calls)
		}
		time.Sleep(2 * time.Second)
		if later := seal(t, v, "secret"); s.of("GenerateDataKey") != 2 || bytes.Equal(first[:60], later[:60]) {
			t.Errorf("calls after the hour: %v, want 2 GenerateDataKey", s.calls)
		}
		opens(t, v, first, "secret")
		opens(t, s.vault(), last, "secret")
	})
}

func TestTheDataKeyIsAnotherOneAfter65536Seals(t *testing.T) {
	s := newService(t)
	v := s.vault()
	for range 1 << 16 {
		seal(t, v, "")
	}
	if s.of("GenerateDataKey") != 1 {
		t.Errorf("calls for 65536 seals: %v, want 1 GenerateDataKey", s.calls)
	}
	if opens(t, v, seal(t, v, "secret"), "secret"); s.of("GenerateDataKey") != 2 {
		t.Errorf("calls after one more seal: %v, want 2 GenerateDataKey", s.calls)
	}
}

// An unwrapped data key is used for five minutes; that long secrets still open after the KMS key is disabled.
func TestADisabledKeyOpensNothingAfterFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		sealed := seal(t, s.vault(), "secret")
		v := s.vault()
		opens(t, v, sealed, "secret")
		s.SetEnabled(false)
		time.Sleep(5*time.Minute - time.Second)
		opens(t, v, sealed, "secret")
		if s.of("Decrypt") != 1 {
			t.Errorf("calls within five minutes: %v, want 1 Decrypt", s.calls)
		}
		time.Sleep(2 * time.Second)
		if plain, err := v.Open(t.Context(), "ten_a", "source", sealed); plain != nil || err == nil ||
			tenants.KindOf(err) != tenants.Internal || tenants.CodeOf(err) != "vault_key_unusable" {
			t.Errorf("Open with a disabled key = %q, %v, want vault_key_unusable", plain, err)
		}
		if _, err := s.vault().Seal(t.Context(), "ten_a", "source", nil); tenants.CodeOf(err) != "vault_key_unusable" {
			t.Errorf("Seal with a disabled key = %v, want vault_key_unusable", err)
		}
		s.SetEnabled(true)
		opens(t, v, sealed, "secret")
		if s.of("Decrypt") != 3 {
			t.Errorf("calls after the key is enabled: %v, want 3 Decrypt", s.calls)
		}
	})
}

func TestNoMoreThanAThousandKeysAreKept(t *testing.T) {
	s := newService(t)
	var sealed [][]byte
	for range 1001 {
		sealed = append(sealed, seal(t, s.vault(), "secret"))
	}
	v := s.vault()
	for _, b := range sealed[:1000] {
		opens(t, v, b, "secret")
	}
	opens(t, v, sealed[0], "secret") // now the second one is the least recently used
	if n := s.of("Decrypt"); n != 1000 {
		t.Errorf("%d calls for 1000 keys, want 1000", n)
	}
	opens(t, v, sealed[1000], "secret")
	opens(t, v, sealed[0], "secret")
	opens(t, v, sealed[2], "secret")
	if n := s.of("Decrypt"); n != 1001 {
		t.Errorf("%d calls, want 1001: a recently used key was dropped", n)
	}
	opens(t, v, sealed[1], "secret")
	if n := s.of("Decrypt"); n != 1002 {
		t.Errorf("%d calls, want 1002: the least recently used key was not dropped", n)
	}
}

func TestManyWhoWantOneKeyAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		held, waiting := make(chan struct{}), 0
		s.fail = func(string) http.HandlerFunc { <-held; return nil }
		v, other := s.vault(), s.vault()
		var all sync.WaitGroup
		sealed := make([][]byte, 20)
		for i := range sealed {
			all.Go(func() {
				var err error
				if sealed[i], err = v.Seal(t.Context(), "ten_a", "source", []byte("secret")); err != nil {
					t.Error(err)
				}
			})
		}
		// One of the waiting callers gives up, which must not affect the others.
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := v.Seal(ctx, "ten_a", "source", nil); tenants.KindOf(err) != tenants.Unavailable {
				t.Errorf("Seal with a cancelled context = %v, want Unavailable", err)
			}
			waiting++
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		if waiting != 1 {
			t.Error("Seal still waits after its context was cancelled")
		}
		close(held)
		all.Wait()
		for _, b := range sealed {
			all.Go(func() { opens(t, other, b, "secret") })
		}
		all.Wait()
		if s.of("GenerateDataKey") != 1 || s.of("Decrypt") != 1 {
			t.Errorf("calls %v, want 1 GenerateDataKey and 1 Decrypt", s.calls)
		}
	})
}
