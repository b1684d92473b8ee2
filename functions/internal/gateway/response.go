package gateway

import (
	"bytes"
	"encoding/base64"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/tenants"
)

// response is an http.ResponseWriter that stores the response.
type response struct {
	header http.Header
	sent   http.Header // copy of header when the status was written
	status int
	body   bytes.Buffer
}

// newResponse returns a response with the request id, for handlers that do not set one.
func newResponse(id string) *response {
	return &response{header: http.Header{"Request-Id": {id}}}
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // 1xx cannot be sent
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

const spare = 1024 // bytes of a response besides headers and body

// event returns the response in the gateway's form. If it exceeds Lambda's limit, the error has kind Unprocessable
// and code response_too_large.
func (w *response) event() (events.APIGatewayV2HTTPResponse, error) {
	w.WriteHeader(http.StatusOK) // if the handler wrote nothing
	e := events.APIGatewayV2HTTPResponse{StatusCode: w.status, Headers: make(map[string]string, len(w.sent))}
	size := 0
	for name, values := range w.sent {
		if name == "Set-Cookie" {
			e.Cookies = values
			continue
		}
		e.Headers[name] = strings.Join(values, ", ") // RFC 9110 section 5.3
		size += len(name) + len(e.Headers[name]) + 16
	}
	body := w.body.Bytes()
	e.Body = string(body)
	length := quoted(body)
	// Text with many quotation marks may fit only in base64.
	fits := size+length+spare <= MaxPayload
	if coded := base64.StdEncoding.EncodedLen(len(body)); !fits || !isText(w.sent.Get("Content-Type")) ||
		!utf8.Valid(body) {
		e.Body, e.IsBase64Encoded, length = base64.StdEncoding.EncodeToString(body), true, coded
	}
	if size+length+spare > MaxPayload {
		return e, tenants.Errorf(tenants.Unprocessable, "response_too_large",
			"the response is too large: request fewer items with the parameter limit")
	}
	return e, nil
}

// quoted returns the length of b in a JSON string written by encoding/json, in bytes.
func quoted(b []byte) (n int) {
	for _, c := range b {
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f':
			n += 2
		case c < ' ' || c == '<' || c == '>' || c == '&' || c == 0xe2: // the last may begin U+2028, which is escaped
			n += 6
		default:
			n++
		}
	}
	return n
}

func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return contentType == ""
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml") ||
		strings.HasSuffix(kind, "yaml")
}
