// Package certificates fetches the certificates that providers sign webhooks with: tenants.Certificates over https.
//
// Whoever posts to a source may name a certificate, and the request is not verified yet then. Package signing lets through only addresses
// of the provider's own hosts; here redirects are not followed, no proxy is asked, the answer has at most 64 KiB and 5 s, the
// chain must reach one of the system's roots, and one process asks for at most two new addresses in a second.
package certificates

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Bounds of one fetch, and of what is kept.
const (
	maxBytes   = 64 << 10
	maxChain   = 10
	timeout    = 5 * time.Second
	perSecond  = 2
	keep       = time.Hour
	maxAnswers = 100
)

// Options say how to reach the certificates. The zero value is what a program wants.
type Options struct {
	Roots     *x509.CertPool    // nil: the system's
	Transport http.RoundTripper // nil: a TLS connection for each fetch
}

// Store fetches certificates and keeps them for an hour, and refusals likewise.
type Store struct {
	roots  *x509.CertPool
	client *http.Client
	rate   *tenants.Rate[struct{}]
	kept   *tenants.Cache[string, *x509.Certificate]
}

// New makes a Store.
func New(o Options) *Store {
	if o.Transport == nil {
		o.Transport = &http.Transport{DisableKeepAlives: true, DisableCompression: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxBytes}
	}
	return &Store{
		roots: o.Roots,
		client: &http.Client{
			Transport: o.Transport, Timeout: timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		rate: tenants.NewRate[struct{}](1),
		kept: tenants.NewCache[string, *x509.Certificate](keep, maxAnswers, maxAnswers),
	}
}

// Certificate fulfils tenants.Certificates.
func (s *Store) Certificate(ctx context.Context, url string) (*x509.Certificate, error) {
	return s.kept.Get(ctx, url, func(ctx context.Context) (*x509.Certificate, error) { return s.fetch(ctx, url) })
}

func refused(detail string) error {
	return tenants.Errorf(tenants.Unauthenticated, "certificate_refused", "%s", detail)
}

func unavailable(cause error) error {
	return tenants.Errorf(tenants.Unavailable, "certificate_unavailable", "fetching a provider's certificate: %w", cause)
}

func (s *Store) fetch(ctx context.Context, url string) (*x509.Certificate, error) {
	if !strings.HasPrefix(url, "https://") {
		return nil, refused("a certificate's address begins with https://")
	}
	if wait, ok := s.rate.Take(struct{}{}, perSecond, 1); !ok {
		busy := tenants.Errorf(tenants.Unavailable, "certificate_busy", "too many new certificates are asked for")
		busy.RetryAfter = wait
		return nil, busy
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, refused("the certificate's address is none")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, unavailable(err)
	}
	defer response.Body.Close()
	switch status := response.StatusCode; {
	case status >= 500 || status == http.StatusTooManyRequests:
		return nil, tenants.Errorf(tenants.Unavailable, "certificate_unavailable", "the provider's certificates are answered with status %d", status)
	case status != http.StatusOK:
		return nil, refused("there is no certificate at the address that the request names")
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	if err != nil {
		return nil, unavailable(err)
	}
	if len(text) > maxBytes {
		return nil, refused("what stands at the certificate's address is too long for one")
	}
	return s.verify(text)
}

// verify reads a chain in PEM, the signer's certificate first, and follows it up to a root.
func (s *Store) verify(text []byte) (*x509.Certificate, error) {
	var leaf *x509.Certificate
	between := x509.NewCertPool()
	for n := 0; ; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if n == maxChain || block.Type != "CERTIFICATE" {
			return nil, refused("what stands at the certificate's address is no chain of certificates")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, refused("the certificate cannot be read")
		}
		if leaf == nil {
			leaf = c
		} else {
			between.AddCert(c)
		}
	}
	if leaf == nil {
		return nil, refused("there is no certificate at the address that the request names")
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: s.roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, refused("the certificate's chain does not reach a root that this system trusts")
	}
	return leaf, nil
}
