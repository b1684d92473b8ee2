package streamer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pages serves bodies that are made while they are sent.
type pages struct{ made atomic.Int64 }

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	most, _ := strconv.Atoi(r.URL.Query().Get("n"))
	n := 0
	w.Header().Set("Content-Type", "text/plain")
	ok := w.(interface {
		Pull(func(context.Context) ([]byte, error)) bool
	}).Pull(func(context.Context) ([]byte, error) {
		switch n++; {
		case n <= most:
			p.made.Add(1)
			return []byte(strings.Repeat(strconv.Itoa(n%10), 64<<10)), nil
		case r.URL.Path == "/breaks":
			return nil, errors.New("the table is down")
		case r.URL.Path == "/panics":
			panic("in the middle")
		}
		return nil, io.EOF
	})
	if !ok {
		io.WriteString(w, "whole")
	}
}

func TestABodyIsMadeAsItIsSent(t *testing.T) {
	p := &pages{}
	w := newWorld(t, func(o *Options) { o.Pages = p })
	c := w.dial(t)
	r := bufio.NewReader(c)
	for range 2 { // the connection is reused after it
		fmt.Fprintf(c, "GET /all?n=3%s\r\n", head)
		if a := readAnswer(t, r, "GET"); a.StatusCode != 200 || len(a.body) != 3*64<<10 ||
			a.Header.Get("Content-Type") != "text/plain" {
			t.Fatalf("%d %v, %d bytes", a.StatusCode, a.Header, len(a.body))
		}
	}
	if a, closed := w.talk(t, "GET /all?n=3 HTTP/1.0\r\nHost: a\r\n\r\n"); a.body != "whole" || !closed {
		t.Errorf("HTTP/1.0: %q", a.body)
	}
}

// Nothing is made for a client that reads nothing, except for what its kernel buffers.
func TestABodyOfWhichNothingIsTakenIsNotMade(t *testing.T) {
	p := &pages{}
	w := newWorld(t, func(o *Options) { o.Pages = p })
	c := w.dial(t)
	fmt.Fprintf(c, "GET /all?n=1000000%s\r\n", head)
	still := func() (n int64) {
		for same := 0; same < 20; time.Sleep(10 * time.Millisecond) {
			if now := p.made.Load(); now > 0 && now == n {
				same++
			} else {
				n, same = now, 0
			}
		}
		return n
	}
	if n := still(); n > 400 { // 25 MB, of 64 GB
		t.Errorf("%d pieces were made for a client that reads nothing", n)
	}
}

// A client can tell that a response is incomplete.
func TestABodyThatFailsHalfwayBreaksOff(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Pages = &pages{} })
	for _, path := range []string{"/breaks", "/panics"} {
		c := w.dial(t)
		fmt.Fprintf(c, "GET %s?n=2%s\r\n", path, head)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%s: %d bytes, and all seems well", path, len(b))
		}
	}
	if a, _ := w.talk(t, "GET /healthz"+head+"\r\n"); a.StatusCode != 200 {
		t.Errorf("%d", a.StatusCode)
	}
}
