package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Each failure to connect is explained in one line and leads to exitUnreachable.
func TestWhyItCouldNotConnect(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<html>")
	}))
	t.Cleanup(page.Close)
	moved := httptest.NewServer(http.RedirectHandler(secure.URL, http.StatusPermanentRedirect))
	t.Cleanup(moved.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(secure.Certificate())
	for name, c := range map[string]struct {
		base, says string
		change     func(*http.Transport)
	}{
		"nobody listens":           {"http://127.0.0.1:1", "connection refused", nil},
		"an untrusted certificate": {secure.URL, "not signed by an authority that this machine trusts", nil},
		"a certificate for another": {strings.Replace(secure.URL, "127.0.0.1", "localhost", 1),
			"is for a different name", func(tr *http.Transport) {
				tr.TLSClientConfig.RootCAs = trusted
			}},
		"plain HTTP where TLS is asked": {strings.Replace(plain.URL, "http:", "https:", 1), "does not use TLS", nil},
		"TLS where plain HTTP is asked": {strings.Replace(secure.URL, "https:", "http:", 1), "is not Hookcast", nil},
		"another server":                {plain.URL, "is not Hookcast", nil},
		"another server's page":         {page.URL, "is not Hookcast", nil},
		"a redirect":                    {moved.URL, "redirects to " + secure.URL, nil},
		"no such name": {"https://hooks.example.com", "the name hooks.example.com has no address",
			func(tr *http.Transport) {
				tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Name: "hooks.example.com",
						Err: "no such host", IsNotFound: true}}
				}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, line := range [][]string{{"tail", "a"}, {"listen", "-forward", "localhost:1", "a"},
				{"publish", "a", "1"}} {
				d := newMachine(t)
				if tr := d.remote.(*http.Transport); c.change != nil {
					tr.TLSClientConfig = &tls.Config{}
					c.change(tr)
				}
				d.vars = map[string]string{envKey: testKey(), envAPI: c.base}
				d.runs(t, exitUnreachable, line...)
				if said := d.err.String(); !strings.Contains(said, c.says) || strings.Count(said, "\n") != 1 ||
					strings.Contains(said, d.vars[envKey]) {
					t.Errorf("%v printed %q, want one line with %q and no key", line, said, c.says)
				}
			}
		})
	}
}
