// Package ingest receives webhooks at /in/{token}. It converts an HTTP request to a tenants.Inbound and the
// receiver's result to a response. The receiver interprets and verifies the webhook.
//
// A provider signs the bytes on the wire, so nothing is decoded here. A Content-Encoding that the receiver cannot
// decode is refused (415) before the body is read. The token is taken from the path as it was sent, neither cleaned
// nor unescaped: "/in/x/", "/in/%78" and "/in//x" are not "/in/x".
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
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/problem"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
)

// Prefix is the prefix of all paths of Handler.
const Prefix = "/in/"

const maxToken = 128 // bytes; longer tokens are refused without a lookup

// Receiver handles a webhook. *tenants.Receiver implements it. Its error is nil only if the event is durable. The
// result has the tenant as soon as it is known, even with an error.
type Receiver interface {
	Receive(ctx context.Context, in intake.Inbound) (intake.Accepted, error)
}

// Options are a Handler's dependencies and limits.
type Options struct {
	Receiver Receiver
	Logger   *slog.Logger
	// PublicURL is the base URL that providers use, such as https://hooks.example.com. Signatures that cover the URL
	// are verified with it, never with the request's Host.
	PublicURL string
	// Observe is called with the webhook's tenant once it is known. It may be nil.
	Observe func(context.Context, tenants.TenantID)
	// MaxBody is the largest accepted body, in bytes. The receiver enforces a tenant's own limit, which may be lower.
	MaxBody int64
}

// Handler serves /in/{token}: POST, and GET and HEAD for handshakes and probes of providers. For other methods the
// response names those that the source allows. If the server's read timeout ends the read of a body, the response is
// 408.
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
	if r.Method == http.MethodPost || r.Method == http.MethodGet { // bodies of other methods are ignored
		if _, err := intake.Gzipped(r.Header); err != nil {
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
	accepted, err := h.Receiver.Receive(r.Context(), intake.Inbound{
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

// answerAs sends the response that the source's tenant configured. Its headers keep a browser from running it: a form
// on any site can make a browser open the URL, the text is the tenant's, and all tenants share the origin.
func answerAs(w http.ResponseWriter, response source.Response) {
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

// Observe adds the tenant to the request's log line.
func Observe(ctx context.Context, t tenants.TenantID) { note.Add(ctx, "tenant", string(t)) }

// tokenOf returns the token in the path as it was sent.
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

// body reads the body up to the limit. If it is longer, the server closes the connection.
func (h *handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := tenants.Errorf(tenants.TooLarge, "body_too_large", "the body is larger than %d bytes", h.MaxBody)
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
	if _, ok := errors.AsType[*tenants.Error](err); ok { // the transport's error is more specific
		return nil, err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return nil, tenants.Errorf(tenants.Timeout, "body_timeout", "the body did not arrive in time")
	}
	return nil, tenants.Errorf(tenants.Invalid, "body_incomplete", "the body ended before it was complete")
}
