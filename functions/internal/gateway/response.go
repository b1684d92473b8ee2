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

// response is an http.ResponseWriter that keeps what is written.
type response struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
}

// newResponse has a request id, for handlers that make none of their own.
func newResponse(id string) *response {
	return &response{header: http.Header{"Request-Id": {id}}}
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // 1xx go nowhere
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

const spare = 1024 // bytes of an answer besides headers and body

// event makes the gateway's form of the answer. One that is over Lambda's limit: kind Unprocessable, code response_too_large.
func (w *response) event() (events.APIGatewayV2HTTPResponse, error) {
	w.WriteHeader(http.StatusOK) // a handler that wrote nothing
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
	// Text that is full of quotation marks may fit in base64 alone.
	fits := size+length+spare <= MaxPayload
	if coded := base64.StdEncoding.EncodedLen(len(body)); !fits || !isText(w.sent.Get("Content-Type")) || !utf8.Valid(body) {
		e.Body, e.IsBase64Encoded, length = base64.StdEncoding.EncodeToString(body), true, coded
	}
	if size+length+spare > MaxPayload {
		return e, tenants.Errorf(tenants.Unprocessable, "response_too_large", "the answer is too large; ask for less at once, by limit")
	}
	return e, nil
}

// quoted is how many bytes b has in a JSON string, as encoding/json writes it.
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
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml") || strings.HasSuffix(kind, "yaml")
}
