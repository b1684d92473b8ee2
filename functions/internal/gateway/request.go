package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/tenants"
)

// request converts an event to a request, and returns the gateway's own id of it.
func (h *Handler) request(ctx context.Context, payload []byte) (_ *http.Request, gatewayID string, err error) {
	e, err := decode(payload)
	if err != nil {
		return nil, "", err
	}
	gatewayID = e.RequestContext.RequestID
	header := headerOf(e)
	body, err := h.body(e, header)
	if err != nil {
		return nil, gatewayID, err
	}
	if !e.IsBase64Encoded && !utf8.Valid(payload) { // the JSON decoder replaces invalid bytes by U+FFFD
		return nil, gatewayID, notUTF8()
	}
	r := &http.Request{
		Method: e.RequestContext.HTTP.Method, URL: urlOf(e), Header: header, Host: header.Get("Host"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		RemoteAddr: net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0"),
	}
	header.Del("Host") // as net/http's server does
	return r.WithContext(ctx), gatewayID, nil
}

// urlOf keeps path and query as they were sent. A path with invalid escapes is taken literally.
func urlOf(e events.APIGatewayV2HTTPRequest) *url.URL {
	u := &url.URL{Path: e.RawPath, RawQuery: e.RawQueryString}
	if path, err := url.PathUnescape(e.RawPath); err == nil {
		u.Path, u.RawPath = path, e.RawPath
	}
	return u
}

func headerOf(e events.APIGatewayV2HTTPRequest) http.Header {
	header := make(http.Header, len(e.Headers)+1)
	for name, value := range e.Headers {
		header[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
	}
	if len(e.Cookies) > 0 {
		header["Cookie"] = []string{strings.Join(e.Cookies, "; ")}
	}
	return header
}

// body returns the body as it was sent, or an error if that is not possible.
func (h *Handler) body(e events.APIGatewayV2HTTPRequest, header http.Header) ([]byte, error) {
	tooLarge := tenants.Errorf(tenants.TooLarge, "body_too_large", "the body is larger than %d bytes", h.o.MaxBody)
	if !e.IsBase64Encoded {
		// The gateway replaces a byte that is not UTF-8 by U+FFFD, which has three bytes. The length shows whether
		// that happened or U+FFFD was sent.
		if sent, err := strconv.Atoi(header.Get("Content-Length")); err == nil && sent != len(e.Body) {
			return nil, notUTF8()
		}
		if len(e.Body) > h.o.MaxBody {
			return nil, tooLarge
		}
		return []byte(e.Body), nil
	}
	if len(strings.TrimRight(e.Body, "="))/4*3 > h.o.MaxBody {
		return nil, tooLarge
	}
	body, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return nil, malformed("its body is not valid base64")
	}
	if len(body) > h.o.MaxBody {
		return nil, tooLarge
	}
	return body, nil
}

func notUTF8() error {
	return tenants.Errorf(tenants.Invalid, "body_not_utf8",
		"the body has a text type but is not valid UTF-8: send it as application/octet-stream to keep its bytes")
}
