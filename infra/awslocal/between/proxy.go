// Package between puts a proxy between a client and a server of one of AWS's JSON protocols, and lets a function
// decide what happens to each request. Tests use it to make a service fail in ways that its emulator never would.
package between

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Answer is the response for the client. The zero Answer closes its connection.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Request is a complete request of a client.
type Request struct {
	Op   string // such as "PutItem"
	Body []byte // may be replaced before Pass

	r     *http.Request
	proxy *Proxy
}

// Context returns a context that ends when the client has gone or the Proxy is closed.
func (r *Request) Context() context.Context { return r.r.Context() }

// Pass sends the request to the server and returns its answer, or the zero Answer if there was none. It may be called
// twice.
func (r *Request) Pass() Answer {
	req, err := http.NewRequestWithContext(r.Context(), r.r.Method, r.proxy.to+r.r.URL.Path, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}
	}
	req.Header = r.r.Header.Clone()
	res, err := r.proxy.client.Do(req)
	if err != nil {
		return Answer{}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}
	}
	return Answer{res.StatusCode, res.Header, body}
}

// Proxy serves at URL until it is closed.
type Proxy struct {
	URL string

	to     string
	decide func(*Request) Answer
	server *http.Server
	client *http.Client
}

// Open starts a Proxy in front of the server at the URL to. decide returns the answer to each request, and may be
// called concurrently; nil passes all requests.
func Open(to string, decide func(*Request) Answer) (*Proxy, error) {
	if decide == nil {
		decide = func(r *Request) Answer { return r.Pass() }
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		URL: "http://" + ln.Addr().String(), to: to, decide: decide,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}},
	}
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.server.Serve(ln) }() // until Close
	return p, nil
}

// Close stops the proxy and cancels the requests in progress.
func (p *Proxy) Close() {
	_ = p.server.Close()
	p.client.CloseIdleConnections()
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	a := p.decide(&Request{Op: op, Body: body, r: r, proxy: p})
	if a.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	for name, vs := range a.Header {
		if name != "Content-Length" { // decide may have changed the body
			w.Header()[name] = vs
		}
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// DynamoDBError returns an error as DynamoDB reports it, such as "ThrottlingException".
func DynamoDBError(code string) Answer {
	return Answer{dynamoDBStatus(code), jsonHeader(),
		fmt.Appendf(nil, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"by the test"}`, code)}
}

// DynamoDBCancelled returns the answer to a transaction that was cancelled, with one reason for each of its
// operations, such as "None" or "TransactionConflict".
func DynamoDBCancelled(reasons ...string) Answer {
	var list []string
	for _, r := range reasons {
		list = append(list, fmt.Sprintf(`{"Code":%q}`, r))
	}
	return Answer{http.StatusBadRequest, jsonHeader(), fmt.Appendf(nil,
		`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"by the test",`+
			`"CancellationReasons":[%s]}`, strings.Join(list, ","))}
}

func dynamoDBStatus(code string) int {
	if strings.HasPrefix(code, "Internal") || strings.HasPrefix(code, "ServiceUnavailable") {
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/x-amz-json-1.0"}} }
