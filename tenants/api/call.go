package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// maxBody is the largest body that the API reads, in bytes.
const maxBody = 1 << 20

// call is one request on its way through a route.
type call struct {
	ctx    context.Context
	r      *http.Request
	route  Route
	who    tenants.Principal // zero for a public route
	query  url.Values
	body   []byte
	fields *fields // of the body; nil if the method has no body

	requestID string
}

// answer is a route's result. Its body is encoded as JSON; nil means that there is no body.
type answer struct {
	status int
	body   any
}

// secretive is an answer's body that contains secrets, which are shown only once.
type secretive interface {
	// withoutSecrets returns the body as later answers show it.
	withoutSecrets() any
}

// versioned is an answer's body with a version, which a change must name in If-Match.
type versioned interface {
	// etag returns the version as a strong entity tag (RFC 9110 section 8.8.3).
	etag() string
}

// download is an answer's body that is a payload of the tenant's rather than JSON of ours.
type download struct {
	name        string // contains no character that needs quoting
	contentType string // as the sender declared it, "" if it did not
	data        []byte
}

func (f download) describe(h http.Header) {
	kind := f.contentType
	if _, _, err := mime.ParseMediaType(kind); err != nil || !strings.Contains(kind, "/") {
		kind = "application/octet-stream"
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, rt Route) {
	c := &call{ctx: r.Context(), r: r, route: rt, requestID: w.Header().Get("Request-Id")}
	out, err := a.answer(w, c)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if x, ok := out.body.(*export); ok {
		if err := x.send(w, c); err != nil {
			a.fail(w, r, err)
		}
		return
	}
	var b []byte
	if v, ok := out.body.(versioned); ok {
		w.Header().Set("ETag", v.etag())
	}
	if f, ok := out.body.(download); ok {
		b = f.data
		f.describe(w.Header())
	} else if out.body != nil {
		b = encode(out.body)
		w.Header().Set("Content-Type", "application/json")
	}
	if out.body != nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	}
	w.WriteHeader(out.status)
	if r.Method != http.MethodHead {
		w.Write(b)
	}
}

func (a *API) answer(w http.ResponseWriter, c *call) (answer, error) {
	var err error
	if c.query, err = queryOf(c.r); err != nil {
		return answer{}, err
	}
	if err := a.admit(c); err != nil {
		return answer{}, err
	}
	switch c.route.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		if c.body, err = readBody(w, c.r, c.route.bodyless); err != nil {
			return answer{}, err
		}
		if c.fields, err = parseFields(c.body); err != nil {
			return answer{}, err
		}
	}
	if c.route.Creates {
		return a.handleOnce(w, c)
	}
	return a.handle(c)
}

// readBody reads a JSON body. If the route allows a missing body, that is an empty object.
func readBody(w http.ResponseWriter, r *http.Request, bodyless bool) ([]byte, error) {
	tooLarge := tenants.Errorf(tenants.TooLarge, "body_too_large", "the body is larger than %d bytes", maxBody)
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		w.Header().Set("Connection", "close")
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge
		}
		if _, ok := errors.AsType[*tenants.Error](err); ok { // the transport knows the exact cause
			return nil, err
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, tenants.Errorf(tenants.Timeout, "body_timeout", "the body did not arrive in time")
		}
		return nil, tenants.Errorf(tenants.Invalid, "body_incomplete", "the body ended before it was complete")
	}
	if len(b) == 0 && bodyless {
		return []byte("{}"), nil
	}
	for _, encoding := range r.Header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return nil, tenants.Errorf(tenants.UnsupportedMediaType, "content_encoding",
				"the body must not have a Content-Encoding")
		}
	}
	if types := r.Header["Content-Type"]; len(types) != 1 || !isJSON(types[0]) {
		return nil, tenants.Errorf(tenants.UnsupportedMediaType, "content_type", "the body must be application/json")
	}
	return b, nil
}

func isJSON(contentType string) bool {
	kind, parameters, err := mime.ParseMediaType(contentType)
	charset, has := parameters["charset"]
	return err == nil && kind == "application/json" && (!has || strings.EqualFold(charset, "utf-8"))
}

// id returns the id of that name in the path if it is valid for prefix. Otherwise it returns an error of kind
// NotFound, without I/O.
func (c *call) id(name, prefix string) (string, error) {
	id := c.r.PathValue(name)
	if !tenants.ValidID(prefix, id) {
		return "", absent(prefix)
	}
	return id, nil
}

// absent is the error for an object that does not exist, the same as the domain's.
func absent(prefix string) error {
	what := map[string]string{
		tenants.PrefixTenant: "tenant", tenants.PrefixKey: "key", tenants.PrefixSource: "source",
		tenants.PrefixProxy: "proxy", tenants.PrefixSecret: "secret", tenants.PrefixEvent: "event",
		tenants.PrefixEndpoint: "endpoint", tenants.PrefixJob: "job", tenants.PrefixDelivery: "delivery",
		tenants.PrefixReplay: "replay", tenants.PrefixConnection: "connection",
	}[prefix]
	return tenants.Errorf(tenants.NotFound, what+"_not_found", "there is no such %s", what)
}
