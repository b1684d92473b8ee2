package certificates_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/infra/certificates"
	"github.com/hookcast/hookcast/tenants"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue creates a certificate, of an authority if ca is true. It is self-signed if by is nil.
func issue(t *testing.T, by *authority, name string, ca bool, until time.Time) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: until, IsCA: ca, BasicConstraintsValid: true,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func chain(of ...*authority) string {
	var b strings.Builder
	for _, a := range of {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	}
	return b.String()
}

// rig is a provider's host with TLS, and a Store that connects to it.
type rig struct {
	store *certificates.Store
	asked atomic.Int64
	paths map[string]http.HandlerFunc
	leaf  *authority
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{paths: map[string]http.HandlerFunc{}}
	later := time.Now().Add(time.Hour)
	root, stranger := issue(t, nil, "root", true, later), issue(t, nil, "stranger", true, later)
	between := issue(t, root, "between", true, later)
	r.leaf = issue(t, between, "messageverificationcerts.paypal.com", false, later)
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	r.paths["/good"] = text(200, chain(r.leaf, between))
	r.paths["/good2"] = r.paths["/good"]
	r.paths["/good3"] = r.paths["/good"]
	r.paths["/incomplete"] = text(200, chain(r.leaf))
	r.paths["/stranger"] = text(200, chain(issue(t, stranger, "messageverificationcerts.paypal.com", false, later),
		stranger))
	r.paths["/ended"] = text(200,
		chain(issue(t, root, "messageverificationcerts.paypal.com", false, time.Now().Add(-time.Hour))))
	r.paths["/key"] = text(200, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})))
	r.paths["/empty"] = text(200, "")
	r.paths["/junk"] = text(200, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	r.paths["/long"] = text(200, chain(r.leaf, between)+strings.Repeat(" ", 64<<10))
	r.paths["/eleven"] = text(200, strings.Repeat(chain(r.leaf), 11))
	r.paths["/gone"] = text(404, chain(r.leaf, between))
	r.paths["/busy"] = text(503, "")
	r.paths["/moved"] = func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, "/good", http.StatusFound)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		r.paths[req.URL.Path](w, req)
	}))
	t.Cleanup(server.Close)
	roots, hosts := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root.cert)
	hosts.AddCert(server.Certificate())
	r.store = certificates.New(certificates.Options{Roots: roots, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: hosts, ServerName: "example.com"},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}})
	return r
}

const host = "https://api.paypal.com"

func TestACertificateWhoseChainHoldsIsFetchedOnce(t *testing.T) {
	r := newRig(t)
	for range 3 {
		c, err := r.store.Certificate(t.Context(), host+"/good")
		if err != nil || !c.Equal(r.leaf.cert) {
			t.Fatal(err)
		}
	}
	if n := r.asked.Load(); n != 1 {
		t.Errorf("the host got %d requests, want 1", n)
	}
}

func TestWhatIsNoTrustedCertificateIsRefused(t *testing.T) {
	for path, want := range map[string]string{
		"/incomplete": "certificate_refused", "/stranger": "certificate_refused", "/ended": "certificate_refused",
		"/key":   "certificate_refused",
		"/empty": "certificate_refused", "/junk": "certificate_refused", "/long": "certificate_refused",
		"/eleven": "certificate_refused",
		"/gone":   "certificate_refused", "/moved": "certificate_refused", "/busy": "certificate_unavailable",
	} {
		r := newRig(t)
		for range 2 {
			c, err := r.store.Certificate(t.Context(), host+path)
			kind := tenants.Unauthenticated
			if want == "certificate_unavailable" {
				kind = tenants.Unavailable
			}
			if c != nil || tenants.CodeOf(err) != want || tenants.KindOf(err) != kind {
				t.Errorf("%s: Certificate = %v, %v, want %s", path, c, err, want)
			}
		}
		// A refusal is cached; a temporary failure is not.
		if n := r.asked.Load(); (n == 1) != (want == "certificate_refused") {
			t.Errorf("%s: the host got %d requests for %s", path, n, want)
		}
	}
}

func TestOnlyHTTPSIsAsked(t *testing.T) {
	r := newRig(t)
	for _, url := range []string{"http://api.paypal.com/good", "file:///etc/passwd", "", "//api.paypal.com/good"} {
		if _, err := r.store.Certificate(t.Context(), url); tenants.CodeOf(err) != "certificate_refused" {
			t.Errorf("Certificate(%q) = %v, want certificate_refused", url, err)
		}
	}
	if n := r.asked.Load(); n != 0 {
		t.Errorf("the host got %d requests, want none", n)
	}
}

// Attack: each request names a new certificate. Only a few of them are fetched.
func TestNewAddressesAreFewInASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		s := certificates.New(certificates.Options{Transport: transport(func(*http.Request) (*http.Response, error) {
			fetched++
			return &http.Response{StatusCode: 404, Body: http.NoBody, Header: http.Header{}}, nil
		})})
		for n := range 100 {
			_, err := s.Certificate(t.Context(), host+"/"+strings.Repeat("x", n))
			if code := tenants.CodeOf(err); code != "certificate_refused" && code != "certificate_busy" {
				t.Fatal(err)
			}
		}
		if fetched != 2 {
			t.Errorf("%d certificates were fetched within a second, want 2", fetched)
		}
		time.Sleep(time.Second)
		if _, err := s.Certificate(t.Context(), host+"/later"); tenants.CodeOf(err) != "certificate_refused" {
			t.Errorf("Certificate a second later = %v, want certificate_refused", err)
		}
	})
}

func TestAHostThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := certificates.New(certificates.Options{Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		begun := time.Now()
		_, err := s.Certificate(t.Context(), host+"/x")
		if tenants.KindOf(err) != tenants.Unavailable || time.Since(begun) > 5*time.Second {
			t.Errorf("Certificate = %v after %v, want Unavailable within 5s", err, time.Since(begun))
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }
