package streamer

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

// TestTLSInTheProcessServesStreamsToo checks that the hub's goroutine writer serves a connection that is not a bare
// TCP connection.
func TestTLSInTheProcessServesStreamsToo(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"h"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	w := prepare(t, func(*hub.Options) {})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.serve(t, tls.NewListener(ln,
		&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}))
	tenant, secret := w.tenant(t)
	c := tls.Client(w.dial(t), &tls.Config{InsecureSkipVerify: true})
	io.WriteString(c, "GET /healthz"+head+"\r\nGET /v1/stream?channel=a"+head+auth(secret)+"\r\n\r\n")
	r := bufio.NewReader(c)
	if a := readAnswer(t, r, "GET"); a.body != "ok\n" {
		t.Fatal(a)
	}
	if h := readHead(t, r); !strings.HasPrefix(h, "HTTP/1.1 200 OK\r\n") {
		t.Fatal(h)
	}
	s := &stream{Conn: c, Decoder: eventstream.NewDecoder(r, 1<<20)}
	if e := s.next(t); e.Name != sse.Open {
		t.Fatal(e)
	}
	w.publish(t, tenant, "a", "x")
	s.want(t, "note", "x", "1")
	c.Close()
	eventually(t, "its place is free", func() bool { return w.App.listener.Load().count() == 0 })
}
