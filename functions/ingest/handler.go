// Package ingest takes webhooks in at /in/{token}: it turns an HTTP request into a tenants.Inbound and the receiver's verdict
// into an answer. What a webhook is, and whether it is believed, is the receiver's to say.
//
// The bytes that a provider signed are the bytes on the wire, so nothing is decoded here; a Content-Encoding that the receiver could not decode
// is refused (415) before the body is read. The token is matched against the path as it was sent, with no cleaning and no
// unescaping: "/in/x/", "/in/%78" and "/in//x" are not "/in/x".
package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/functions/internal/note"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/problem"
	"github.com/hookcast/hookcast/tenants/signing"
)

// Prefix is what every path of this handler begins with.
const Prefix = "/in/"

const maxToken = 128 // bytes; longer ones are refused before anything looks at them

// Receiver is what a webhook is handed to: *tenants.Receiver. It returns nil only once the event is durable, and the tenant with whatever else
// it returns, once it is known.
type Receiver interface {
	Receive(ctx context.Context, in tenants.Inbound) (tenants.Accepted, error)
}

// Options are a Handler's dependencies and bounds.
type Options struct {
	Receiver Receiver
	Logger   *slog.Logger
	// PublicURL is the base address that providers were given ("https://hooks.example.com"). Signatures that cover the
	// address are checked against it, never against the request's Host.
	PublicURL string
	// Observe hears whose webhook it is, once that is known. Nil: nobody does.
	Observe func(context.Context, tenants.TenantID)
	// MaxBody is the largest body taken, in bytes. A tenant's own limit may be lower; the receiver holds to that.
	MaxBody int64
}

// Handler serves /in/{token}: POST, and GET and HEAD for the providers that shake hands or probe by them; to any other method it answers
// what the source takes. How long a body may take is the server's read timeout; where that ends a read, the answer is 408.
func Handler(o Options) http.Handler {
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	return &handler{o}
}

type handler struct{ Options }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := tenants.NewID(tenants.PrefixRequest)
	w.Header().Set("Request-Id", id)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := h.serve(w, r); err != nil {
		problem.Log(h.Logger, id, err)
		switch tenants.KindOf(err) {
		case tenants.Unauthenticated:
			w.Header().Set("WWW-Authenticate", `Webhook-Signature realm="hookcast"`)
		case tenants.MethodNotAllowed:
			if w.Header().Get("Allow") == "" {
				w.Header().Set("Allow", http.MethodPost)
			}
		}
		problem.Write(w, r, id, err)
	}
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) error {
	token, ok := tokenOf(r)
	if !ok {
		return &tenants.Error{Kind: tenants.NotFound}
	}
	var body []byte
	if r.Method == http.MethodPost || r.Method == http.MethodGet { // no other method has one that anybody would read
		if _, err := tenants.Encoded(r.Header); err != nil {
			return err
		}
		var err error
		if body, err = h.body(w, r); err != nil {
			return err
		}
	}
	url := h.PublicURL + Prefix + token
	if r.URL.RawQuery != "" {
		url += "?" + r.URL.RawQuery
	}
	accepted, err := h.Receiver.Receive(r.Context(), tenants.Inbound{
		Token: token, Method: r.Method, URL: url, Header: r.Header, Body: body, Received: time.Now(),
	})
	if accepted.Tenant != "" && h.Observe != nil {
		h.Observe(r.Context(), accepted.Tenant)
	}
	if err != nil {
		if len(accepted.Allow) > 0 {
			w.Header().Set("Allow", strings.Join(accepted.Allow, ", "))
		}
		return err
	}
	if accepted.ID != "" {
		note.Add(r.Context(), "event", accepted.ID)
	}
	if reply := accepted.Reply; reply != nil {
		return answerHandshake(w, *reply)
	}
	if response := accepted.Response; response != nil {
		answerAs(w, *response)
		return nil
	}
	status := http.StatusAccepted
	if accepted.Duplicate {
		status = http.StatusOK
	}
	b, err := json.Marshal(struct {
		ID        string `json:"id"`
		Channel   string `json:"channel"`
		Duplicate bool   `json:"duplicate,omitempty"`
	}{accepted.ID, accepted.Channel, accepted.Duplicate})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b)
	return nil
}

func answerHandshake(w http.ResponseWriter, reply signing.Reply) error {
	if reply.ContentType != "" {
		w.Header().Set("Content-Type", reply.ContentType)
		w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	}
	if reply.Status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(reply.Body)))
	}
	w.WriteHeader(reply.Status)
	if len(reply.Body) > 0 {
		w.Write(reply.Body)
	}
	return nil
}

// answerAs answers as the source's tenant wants it. Whoever opens the address in a browser, which a form of another site can make it do, gets nothing
// that runs: the text is a tenant's, and the origin is everybody's.
func answerAs(w http.ResponseWriter, response tenants.SourceResponse) {
	h := w.Header()
	if response.Status != http.StatusNoContent {
		h.Set("Content-Type", response.ContentType())
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		h.Set("Content-Length", strconv.Itoa(len(response.Body)))
	}
	w.WriteHeader(response.Status)
	if response.Body != "" {
		io.WriteString(w, response.Body)
	}
}

// Observe notes whose webhook it is.
func Observe(ctx context.Context, t tenants.TenantID) { note.Add(ctx, "tenant", string(t)) }

// tokenOf takes the token from the path as it was sent.
func tokenOf(r *http.Request) (string, bool) {
	token, ok := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
	if !ok || token == "" || len(token) > maxToken {
		return "", false
	}
	for i := range len(token) {
		c := token[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return "", false
		}
	}
	return token, true
}

// body reads the body up to the bound and not a byte further; what is over it makes the server close the connection.
func (h *handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := &tenants.Error{Kind: tenants.TooLarge, Code: "body_too_large",
		Detail: "The body is larger than " + strconv.FormatInt(h.MaxBody, 10) + " bytes."}
	if r.ContentLength > h.MaxBody {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBody))
	if err == nil {
		return b, nil
	}
	w.Header().Set("Connection", "close")
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if _, ok := errors.AsType[*tenants.Error](err); ok { // the transport knows better what went wrong
		return nil, err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return nil, tenants.Errorf(tenants.Timeout, "body_timeout", "The body did not arrive in time.")
	}
	return nil, tenants.Errorf(tenants.Invalid, "body_incomplete", "The body ended before it was complete.")
}
