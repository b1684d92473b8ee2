// Package certificates implements tenants.Certificates: it fetches the certificates that providers sign webhooks
// with, over https.
//
// A request to a source can name a certificate before it is verified, so anybody can make a process fetch one.
// Package signing accepts only addresses on the provider's own hosts. This package does not follow redirects or use a
// proxy, limits a response to 64 KiB and 5 s, requires a chain to one of the system's roots, and fetches at most two
// new addresses in a second.
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
	"github.com/hookcast/hookcast/tenants/cache"
)

// Limits of a fetch and of the cache.
const (
	maxBytes   = 64 << 10        // bytes of a response
	maxChain   = 10              // certificates in a chain
	timeout    = 5 * time.Second // of a fetch
	perSecond  = 2               // fetches
	keep       = time.Hour       // how long results are cached
	maxAnswers = 100             // cached certificates, and cached refusals
)

// Options configures a Store. The zero value is for production.
type Options struct {
	Roots     *x509.CertPool    // nil means the system's roots
	Transport http.RoundTripper // nil means a new TLS connection for each fetch
}

// Store fetches certificates. It caches certificates and refusals for an hour.
type Store struct {
	roots  *x509.CertPool
	client *http.Client
	rate   *cache.Rate[struct{}]
	kept   *cache.Cache[string, *x509.Certificate]
}

// New returns a Store.
func New(o Options) *Store {
	if o.Transport == nil {
		o.Transport = &http.Transport{DisableKeepAlives: true, DisableCompression: true, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: maxBytes}
	}
	return &Store{
		roots: o.Roots,
		client: &http.Client{
			Transport: o.Transport, Timeout: timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		rate: cache.NewRate[struct{}](1),
		kept: cache.New[string, *x509.Certificate](keep, maxAnswers, maxAnswers),
	}
}

// Certificate implements tenants.Certificates.
func (s *Store) Certificate(ctx context.Context, url string) (*x509.Certificate, error) {
	return s.kept.Get(ctx, url, func(ctx context.Context) (*x509.Certificate, error) { return s.fetch(ctx, url) })
}

func refused(detail string) error {
	return tenants.Errorf(tenants.Unauthenticated, "certificate_refused", "%s", detail)
}

func unavailable(cause error) error {
	return tenants.Errorf(tenants.Unavailable, "certificate_unavailable", "cannot fetch the provider's certificate: %w",
		cause)
}

func (s *Store) fetch(ctx context.Context, url string) (*x509.Certificate, error) {
	if !strings.HasPrefix(url, "https://") {
		return nil, refused("the certificate's address must begin with https://")
	}
	if wait, ok := s.rate.Take(struct{}{}, perSecond, 1); !ok {
		busy := tenants.Errorf(tenants.Unavailable, "certificate_busy",
			"too many new certificates are requested: try again later")
		busy.RetryAfter = wait
		return nil, busy
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, refused("the certificate's address is not a valid URL")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, unavailable(err)
	}
	defer response.Body.Close()
	switch status := response.StatusCode; {
	case status >= 500 || status == http.StatusTooManyRequests:
		return nil, tenants.Errorf(tenants.Unavailable, "certificate_unavailable",
			"the request for the provider's certificate got status %d", status)
	case status != http.StatusOK:
		return nil, refused("the address in the request has no certificate")
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	if err != nil {
		return nil, unavailable(err)
	}
	if len(text) > maxBytes {
		return nil, refused("the response of the certificate's address is too long")
	}
	return s.verify(text)
}

// verify reads a chain in PEM, with the signer's certificate first, and verifies it up to a root.
func (s *Store) verify(text []byte) (*x509.Certificate, error) {
	var leaf *x509.Certificate
	between := x509.NewCertPool()
	for n := 0; ; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if n == maxChain || block.Type != "CERTIFICATE" {
			return nil, refused("the response of the certificate's address is not a chain of certificates")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, refused("the certificate is malformed")
		}
		if leaf == nil {
			leaf = c
		} else {
			between.AddCert(c)
		}
	}
	if leaf == nil {
		return nil, refused("the address in the request has no certificate")
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: s.roots, Intermediates: between,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, refused("the certificate has no valid chain to a root that this system trusts")
	}
	return leaf, nil
}
