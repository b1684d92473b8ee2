package egress_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/egress"
)

func TestAnswerComesBackWhole(t *testing.T) {
	w := plain(t, answering("HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nSet-Cookie: "+
		"session=secret\r\nX-Api-Key: secret\r\nX-Request-Id: r1\r\nContent-Length: 5\r\n\r\nhello"))
	a := w.Send(t.Context(), to("http://example.com/"))
	if a.Failure != "" || a.Status != 202 || string(a.Body) != "hello" || a.Truncated || !a.Connected ||
		a.RetryAfter != 0 {
		t.Errorf("got %+v", a)
	}
	if a.Header["X-Request-Id"][0] != "r1" || strings.Contains(fmt.Sprint(a.Header), "secret") {
		t.Errorf("got headers %v, want the request id and no secret", a.Header)
	}
}

func TestRequestIsWhatWasAskedFor(t *testing.T) {
	var got atomic.Pointer[http.Request]
	w := plain(t, func(c net.Conn) {
		defer c.Close()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(b))
		got.Store(r)
		io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	o := to("http://example.com/a%2Fb?c=d")
	o.Header["Webhook-Id"], o.Header["Host"], o.Header["Content-Length"],
		o.Header["Transfer-Encoding"] = []string{"msg_1"}, []string{"evil"}, []string{"1"}, []string{"chunked"}
	if a := w.Send(t.Context(), o); a.Status != 204 {
		t.Fatalf("got %+v", a)
	}
	r := got.Load()
	body, _ := io.ReadAll(r.Body)
	if r.Method != "POST" || r.RequestURI != "/a%2Fb?c=d" || r.Host != "example.com" || string(body) != `{"a":1}` ||
		r.ContentLength != 7 || len(r.TransferEncoding) > 0 ||
		r.Header.Get("Webhook-Id") != "msg_1" || r.Header.Get("Accept-Encoding") != "" {
		t.Errorf("got %+v, %s", r, body)
	}
}

func TestHeaderWithALineBreakIsNotSent(t *testing.T) {
	w := plain(t, answering("HTTP/1.1 200 OK\r\n\r\n"))
	o := to("http://example.com/")
	o.Header["X-A"] = []string{"a\r\nHost: evil"}
	wantFailure(t, w.Send(t.Context(), o), tenants.FailureURL)
}

// The attack: a redirect to an internal address.
func TestRedirectIsAnAnswerAndNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		w := plain(t, answering(fmt.Sprintf("HTTP/1.1 %d Moved\r\nLocation: "+
			"http://u:p@169.254.169.254/latest?token=secret#f\r\nContent-Length: 0\r\n\r\n", status)))
		a := w.Send(t.Context(), to("http://example.com/"))
		if a.Failure != "" || a.Status != status || a.Header["Location"][0] != "http://169.254.169.254/latest" {
			t.Errorf("got %+v", a)
		}
		if d := w.dialled(); len(d) != 1 {
			t.Errorf("dialed %v, want one connection", d)
		}
	}
}

// The attacks: slow receivers. Time is simulated.
func TestSlowReceiverEndsAtFifteenSeconds(t *testing.T) {
	for name, c := range map[string]struct {
		url    string
		serve  func(net.Conn)
		want   tenants.Failure
		status int
	}{
		"never answers": {"http://example.com/", func(c net.Conn) {
			io.Copy(io.Discard, c)
			c.Close()
		}, tenants.FailureTimeout, 0},
		"never reads": {"http://example.com/", func(c net.Conn) {
			time.Sleep(time.Hour)
			c.Close()
		}, tenants.FailureTimeout, 0},
		"no handshake": {"https://example.com/", func(c net.Conn) {
			io.Copy(io.Discard, c)
			c.Close()
		}, tenants.FailureTLS, 0},
		"a byte a second": {"http://example.com/",
			trickle("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "x", time.Second), tenants.FailureTimeout, 200},
		"a header a second": {"http://example.com/", trickle("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", time.Second),
			tenants.FailureTimeout, 0},
		"a chunk a second": {"http://example.com/",
			trickle("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", time.Second),
			tenants.FailureTimeout, 200},
		"a 100 a second": {"http://example.com/", trickle("", "HTTP/1.1 100 Continue\r\n\r\n", time.Second),
			tenants.FailureTimeout, 0},
		"an early hint forever": {"http://example.com/",
			trickle("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", time.Second), tenants.FailureTimeout, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := plain(t, c.serve)
				began := time.Now()
				a := w.Send(context.Background(), to(c.url))
				wantFailure(t, a, c.want)
				if d := time.Since(began); d != 15*time.Second || a.Took != d || a.Status != c.status || !a.Connected {
					t.Errorf("took %v, want 15s: %+v", d, a)
				}
				time.Sleep(2 * time.Hour) // until the receiver has noticed
			})
		})
	}
}

// trickle writes first, and then repeats then forever, with a pause after each.
func trickle(first, then string, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		if !readRequest(bufio.NewReader(c)) {
			return
		}
		for text := first; ; text = then {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

func TestConnectThatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, egress.Options{}, nil)
		w.names.answers["many.example.com."] = [][]string{{"8.8.8.8", "8.8.4.4", "1.1.1.1"}}
		w.Connect(func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		began := time.Now()
		a := w.Send(context.Background(), to("https://many.example.com/"))
		wantFailure(t, a, tenants.FailureConnect)
		if d := time.Since(began); a.Connected || d > 10*time.Second {
			t.Errorf("after %v: got %+v", d, a)
		}
	})
}

func TestOurOwnHurryIsNotTheEndpointsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := plain(t, func(c net.Conn) { io.Copy(io.Discard, c); c.Close() })
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantFailure(t, w.Send(ctx, to("http://example.com/")), tenants.FailureCanceled)
	})
}

// The attack: an endless body.
func TestEndlessBodyIsCutAt16KiB(t *testing.T) {
	for name, head := range map[string]string{
		"to the close": "HTTP/1.1 200 OK\r\n\r\n",
		"with length":  "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
	} {
		var sent atomic.Int64
		w := plain(t, func(c net.Conn) {
			defer c.Close()
			if !readRequest(bufio.NewReader(c)) {
				return
			}
			io.WriteString(c, head)
			for block := make([]byte, 4096); ; {
				n, err := c.Write(block)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		a := w.Send(t.Context(), to("http://example.com/"))
		if a.Failure != "" || a.Status != 200 || len(a.Body) != tenants.MaxAnswerBody || !a.Truncated {
			t.Errorf("%s: got status %d, failure %q, %d bytes; want a truncated body", name, a.Status, a.Failure,
				len(a.Body))
		}
		if n := sent.Load(); n > 64<<10 {
			t.Errorf("%s: read %d bytes, want at most 64 KiB", name, n)
		}
	}
}

// The attack: a small answer that decompresses to a large one.
func TestGzipBombStaysPacked(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(make([]byte, 8<<20))
	z.Close()
	w := plain(t, answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s",
		b.Len(), b.String())))
	a := w.Send(t.Context(), to("http://example.com/"))
	if a.Failure != "" || !bytes.Equal(a.Body, b.Bytes()) {
		t.Errorf("got %d bytes, %q; want the compressed body", len(a.Body), a.Failure)
	}
}

// The attacks: a head that is too large or endless, and protocols other than HTTP.
func TestAnswerThatIsNoneIsRecordedAsThat(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"100 MB of headers": trickle("HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("a", 1000)+"\r\n", 0),
		"one endless line":  trickle("HTTP/1.1 200 OK\r\nX-A: ", strings.Repeat("a", 1000), 0),
		"a flood of 100s":   trickle("", "HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("a", 1000)+"\r\n\r\n", 0),
		"another protocol":  answering("SSH-2.0-OpenSSH_9.6\r\n"),
		"garbage":           answering("\x00\x01\x02\x03\r\n\r\n"),
		"no status":         answering("HTTP/1.1\r\n\r\n"),
		"two lengths":       answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
		"a broken chunk":    answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
		"an upgrade":        answering("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
	} {
		w := plain(t, serve)
		a := w.Send(t.Context(), to("http://example.com/"))
		if a.Failure != tenants.FailureResponse || !a.Connected {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestConnectionThatIsCut(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"at once":         func(c net.Conn) { c.Close() },
		"after a request": func(c net.Conn) { readRequest(bufio.NewReader(c)); c.Close() },
		"in the body": func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
			c.Close()
		},
		"in the head": func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nA: b\r\n")
			c.Close()
		},
	} {
		w := plain(t, serve)
		a := w.Send(t.Context(), to("http://example.com/"))
		if a.Failure != tenants.FailureReset || !a.Connected {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	// net/http abandons a connection whose writer does not run within 50 ms
	synctest.Test(t, func(t *testing.T) {
		w := plain(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		for range 5 {
			if a := w.Send(t.Context(), to("http://example.com/")); a.Status != 200 || !a.Connected {
				t.Fatalf("got %+v", a)
			}
		}
		if d := w.dialled(); len(d) != 1 {
			t.Errorf("five requests used %d connections, want one", len(d))
		}
	})
}

// A connection that was idle for longer than common servers keep it is not used again.
func TestIdleConnectionIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{}, 2)
		serve := answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		w := plain(t, func(c net.Conn) { serve(c); closed <- struct{}{} })
		w.Send(context.Background(), to("http://example.com/"))
		time.Sleep(5 * time.Second)
		<-closed
		if a := w.Send(context.Background(), to("http://example.com/")); a.Status != 200 {
			t.Errorf("got %+v", a)
		}
		if d := w.dialled(); len(d) != 2 {
			t.Errorf("got %d connections, want 2", len(d))
		}
	})
}

// secure returns a wire to a real server with TLS, whose certificate is for example.com.
func secure(t *testing.T, config *tls.Config, trust bool) *wire {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	}))
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	w := newWire(t, egress.Options{}, nil)
	w.Connect(func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	})
	pool := x509.NewCertPool()
	if trust {
		pool.AddCert(server.Certificate())
	}
	w.Trust(pool)
	return w
}

func TestTLSIsVerified(t *testing.T) {
	if a := secure(t, nil, true).Send(t.Context(), to("https://example.com/")); a.Status != 200 ||
		string(a.Body) != "HTTP/1.1" {
		t.Errorf("a valid certificate: got %+v", a)
	}
	for name, c := range map[string]struct {
		config *tls.Config
		trust  bool
		host   string
	}{
		"a certificate that nobody vouches for": {nil, false, "example.com"},
		"another name's":                        {nil, true, "other.test"},
		"TLS 1.1": {&tls.Config{MinVersion: tls.VersionTLS10,
			MaxVersion: tls.VersionTLS11}, true, "example.com"},
	} {
		w := secure(t, c.config, c.trust)
		w.names.answers["other.test."] = [][]string{{public}}
		a := w.Send(t.Context(), to("https://"+c.host+"/"))
		if a.Failure != tenants.FailureTLS || !a.Connected || a.Status != 0 {
			t.Errorf("%s: %+v", name, a)
		}
	}
	w := newWire(t, egress.Options{}, func(c net.Conn) {
		go io.Copy(io.Discard, c)
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		c.Close()
	})
	wantFailure(t, w.Send(t.Context(), to("https://example.com/")), tenants.FailureTLS)
}

func TestNameWithoutAddress(t *testing.T) {
	w := newWire(t, egress.Options{}, nil)
	a := w.Send(t.Context(), to("https://nobody.example.com/"))
	if a.Failure != tenants.FailureDNS || a.Connected {
		t.Errorf("got %+v", a)
	}
}

// The attacks: waits that are ten years long, negative, or not a number.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		year := 365 * 24 * time.Hour
		for value, want := range map[string]time.Duration{
			"7": 7 * time.Second, " 7 ": 7 * time.Second, "0": 0, "-1": 0, "": 0, "soon": 0, "1e9": 0, "1.5": 0,
			"+5": 0, "315360000": year, "99999999999999999999999": year,
			time.Now().Add(time.Minute).UTC().Format(http.TimeFormat):   time.Minute,
			time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat):  0,
			time.Now().Add(20 * year).UTC().Format(http.TimeFormat):     year,
			"Fri, 31 Dec 9999 23:59:59 GMT":                             year,
			time.Now().Add(time.Minute).UTC().Format(time.RFC850):       time.Minute,
			"Mon, 32 Jan 2000 00:00:00 GMT":                             0,
			time.Now().Add(time.Minute).UTC().Format(time.RFC3339):      0,
			strings.Repeat("9", 60_000):                                 year,
			time.Now().Add(time.Minute).UTC().Format(time.ANSIC) + "\t": time.Minute,
		} {
			w := plain(t, answering("HTTP/1.1 429 Too Many\r\nRetry-After: "+value+"\r\nContent-Length: 0\r\n\r\n"))
			a := w.Send(context.Background(), to("http://example.com/"))
			if a.Status != 429 || a.RetryAfter != want {
				t.Errorf("%.40q: got %v, want %v (%s)", value, a.RetryAfter, want, a.Failure)
			}
			w.Close()
		}
		w := plain(t, answering("HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nRetry-After: 50\r\nContent-Length: 0\r\n\r\n"))
		if a := w.Send(context.Background(), to("http://example.com/")); a.RetryAfter != 0 {
			t.Errorf("a repeated header: got %v, want 0", a.RetryAfter)
		}
	})
}

// Real sockets on loopback: a refused connection, and a reset one.
func TestRealSockets(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String() + "/"
	e := egress.New(egress.Options{AllowPrivate: true})
	defer e.Close()
	go func() {
		c, err := listener.Accept()
		listener.Close() // before the reset, after which the next request is sent
		if err != nil {
			return
		}
		readRequest(bufio.NewReader(c))
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}()
	wantFailure(t, e.Send(t.Context(), to(url)), tenants.FailureReset)
	a := e.Send(t.Context(), to(url))
	wantFailure(t, a, tenants.FailureConnect)
	if a.Connected {
		t.Error("a refused connection is reported as connected")
	}
}
