package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/infra/awslocal/lambda"
	"github.com/hookcast/hookcast/infra/stacks"
)

// maxEvent is Lambda's limit for a request of a gateway, with the body in base64 if it is encoded.
const maxEvent = 6 << 20

// front answers as an HTTP API does:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
type front struct {
	routes    []stacks.Route
	functions map[string]*lambda.Function // by the functions' names in this repository
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route := f.route(r)
	if route == nil {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10<<20))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	} else if err != nil {
		refuse(w, http.StatusBadRequest, "Bad Request")
		return
	}
	payload, err := json.Marshal(event(r, *route, body))
	if err != nil || len(payload) > maxEvent {
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), route.Timeout)
	defer cancel()
	answer, err := within(ctx, f.functions[route.Function.Name].Invoke, payload)
	switch {
	case ctx.Err() != nil:
		refuse(w, http.StatusServiceUnavailable, "Service Unavailable")
	case err != nil:
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
	default:
		reply(w, answer)
	}
}

// within calls invoke, and waits for its answer until ctx ends.
func within(ctx context.Context, invoke invoker, payload []byte) ([]byte, error) {
	type outcome struct {
		answer []byte
		err    error
	}
	done := make(chan outcome, 1) // takes the answer of an invocation that outlives ctx
	go func() {
		answer, err := invoke(ctx, payload)
		done <- outcome{answer, err}
	}()
	select {
	case o := <-done:
		return o.answer, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// route returns the route that serves r: an exact match, else one that ends in {name+}, else the default.
func (f *front) route(r *http.Request) (best *stacks.Route) {
	rank := 0
	for i, route := range f.routes {
		if route.Method != "ANY" && route.Method != r.Method {
			continue
		}
		if n := match(route.Path, r.URL.EscapedPath()); n > rank {
			best, rank = &f.routes[i], n
		}
	}
	return best
}

// match ranks how well a route's pattern matches a path: 0 is no match, 1 the default, 2 a {name+}, 3 an exact match.
func match(pattern, path string) int {
	if pattern == "" {
		return 1
	}
	have := strings.Split(path, "/")
	for i, want := range strings.Split(pattern, "/") {
		switch {
		case i >= len(have):
			return 0
		case strings.HasPrefix(want, "{") && strings.HasSuffix(want, "+}"):
			if have[i] == "" && i == len(have)-1 {
				return 0
			}
			return 2
		case strings.HasPrefix(want, "{"):
			if have[i] == "" {
				return 0
			}
		case want != have[i]:
			return 0
		}
	}
	if len(have) != len(strings.Split(pattern, "/")) {
		return 0
	}
	return 3
}

// event returns the event of a request, in payload format 2.0.
func event(r *http.Request, route stacks.Route, body []byte) events.APIGatewayV2HTTPRequest {
	key := "$default"
	if route.Path != "" {
		key = route.Method + " " + route.Path
	}
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	e := events.APIGatewayV2HTTPRequest{
		Version: route.Payload, RouteKey: key, RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Headers: make(map[string]string),
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: key, AccountID: accountID, Stage: "$default", RequestID: rand.Text(), APIID: "awslocal",
			DomainName: r.Host,
			TimeEpoch:  time.Now().UnixMilli(), Time: time.Now().UTC().Format("02/Jan/2006:15:04:05 +0000"),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.EscapedPath(), Protocol: r.Proto, SourceIP: ip, UserAgent: r.UserAgent(),
			},
		},
	}
	for name, values := range r.Header {
		if name == "Cookie" {
			for _, v := range values {
				e.Cookies = append(e.Cookies, strings.Split(v, "; ")...)
			}
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	e.Headers["host"] = r.Host
	e.Headers["x-forwarded-for"] = strings.TrimPrefix(e.Headers["x-forwarded-for"]+", "+ip, ", ")
	e.Headers["x-forwarded-proto"] = "http"
	if len(body) == 0 {
		return e
	}
	e.Headers["content-length"] = strconv.Itoa(len(body))
	if isText(r.Header.Get("Content-Type")) {
		e.Body = string(body) // JSON replaces invalid UTF-8 by U+FFFD
	} else {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

// isText reports whether a body of that type is passed as a string.
func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// reply writes a function's answer as the response.
func reply(w http.ResponseWriter, answer []byte) {
	var e events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &e); err != nil || e.StatusCode < 200 || e.StatusCode > 599 {
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			refuse(w, http.StatusInternalServerError, "Internal Server Error")
			return
		}
	}
	h := w.Header()
	for name, value := range e.Headers {
		if !strings.EqualFold(name, "Content-Length") && !strings.EqualFold(name, "Connection") {
			h.Set(name, value)
		}
	}
	h["Set-Cookie"] = e.Cookies
	w.WriteHeader(e.StatusCode)
	_, _ = w.Write(body)
}

// refuse answers with an error of the gateway itself.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}
