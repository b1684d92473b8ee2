package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const (
	rowIdempotency tenants.Kind = "idem" // {tenant}, hash of method, path, token subject and key
	keepAnswers                 = 24*time.Hour + time.Minute
	maxInFlight                 = time.Minute // how long a request may hold its key; a process that died lets go by it
)

// remembered is what is stored under an idempotency key: that a request with it is in flight, then its answer. The answer holds
// no secret.
type remembered struct {
	Request string    // hex SHA-256 of the query and body
	Until   time.Time // in flight until then at most; zero once there is an answer
	Status  int
	Body    json.RawMessage
}

// once handles a call that creates something, at most once per Idempotency-Key. What the handler refuses is forgotten, so that a
// request can be mended and sent again under its key. After an Unavailable the outcome is unknown to the handler, too: the key is
// let go, and sending the request again may create a second thing, which is the lesser evil against an answer that nobody gets.
func (a *API) once(w http.ResponseWriter, c *call) (answer, error) {
	key, err := idempotencyKey(c.r)
	if err != nil {
		return answer{}, err
	}
	if key == "" {
		return a.handle(c)
	}
	row := tenants.Key{Tenant: c.who.Tenant, Kind: rowIdempotency, Sort: tenants.DerivedID("", c.r.Method, c.r.URL.Path, c.who.Subject, key)}
	mine := remembered{Request: requestHash(c), Until: time.Now().UTC().Add(maxInFlight)}
	version, earlier, err := a.claim(c.ctx, row, mine)
	if err != nil {
		return answer{}, err
	}
	if earlier != nil {
		w.Header().Set("Idempotent-Replayed", "true")
		return answer{earlier.Status, earlier.Body}, nil
	}
	out, err := a.handle(c)
	// The client may be gone by now; what came of its request is kept for its next try all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 5*time.Second)
	defer cancel()
	if err != nil {
		if freed := a.Table.Write(ctx, tenants.Delete(row, tenants.At(version))); freed != nil {
			a.Logger.Warn("an idempotency key stays in flight until it lapses", "request_id", w.Header().Get("Request-Id"), "error", freed.Error())
		}
		return answer{}, err
	}
	done := remembered{Request: mine.Request, Status: out.status, Body: encode(shownAgain(out.body))}
	if kept := a.Table.Write(ctx, tenants.Put(row, encode(done), time.Now().Add(keepAnswers), tenants.At(version))); kept != nil {
		a.Logger.Warn("an answer is not remembered", "request_id", w.Header().Get("Request-Id"), "error", kept.Error())
	}
	return out, nil
}

// claim takes the key for this request, or returns what an earlier one with the same content was answered. Errors: Unprocessable
// idempotency_key_reused, Conflict idempotency_key_in_flight.
func (a *API) claim(ctx context.Context, row tenants.Key, mine remembered) (version int64, earlier *remembered, err error) {
	inFlight := &tenants.Error{Kind: tenants.Conflict, Code: "idempotency_key_in_flight",
		Detail: "A request with this Idempotency-Key is still being handled."}
	free := tenants.Absent()
	switch found, err := a.Table.Get(ctx, row); {
	case err == nil:
		var r remembered
		if err := json.Unmarshal(found.Body, &r); err != nil {
			return 0, nil, err
		}
		if r.Request != mine.Request {
			return 0, nil, tenants.Errorf(tenants.Unprocessable, "idempotency_key_reused",
				"This Idempotency-Key came with another request before; every request needs one of its own.")
		}
		if r.Until.IsZero() {
			return 0, &r, nil
		}
		if time.Now().Before(r.Until) {
			return 0, nil, inFlight
		}
		free = tenants.At(found.Version)
	case tenants.KindOf(err) != tenants.NotFound:
		return 0, nil, err
	}
	err = a.Table.Write(ctx, tenants.Put(row, encode(mine), time.Now().Add(keepAnswers), free))
	if _, refused := errors.AsType[*tenants.RefusedError](err); refused {
		return 0, nil, inFlight
	}
	if err != nil {
		return 0, nil, err
	}
	version = 1
	if v, ok := free.Version(); ok {
		version = v + 1
	}
	return version, nil, nil
}

func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header["Idempotency-Key"]
	if len(values) == 0 {
		return "", nil
	}
	bad := tenants.Errorf(tenants.Invalid, "invalid_idempotency_key", "An Idempotency-Key is 1 to 255 printable ASCII characters, given once.")
	if len(values) > 1 || values[0] == "" || len(values[0]) > 255 {
		return "", bad
	}
	for _, c := range []byte(values[0]) {
		if c < 0x20 || c > 0x7e {
			return "", bad
		}
	}
	return values[0], nil
}

func requestHash(c *call) string {
	h := sha256.New()
	h.Write([]byte(c.r.URL.RawQuery + "\n"))
	h.Write(c.body)
	return hex.EncodeToString(h.Sum(nil))
}

func shownAgain(body any) any {
	if s, ok := body.(secretive); ok {
		return s.withoutSecrets()
	}
	return body
}

// encode writes v as JSON. Bytes that are JSON already stay as they are.
func encode(v any) []byte {
	if raw, ok := v.(json.RawMessage); ok {
		return raw
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("api: what a handler answers always encodes: " + err.Error())
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
