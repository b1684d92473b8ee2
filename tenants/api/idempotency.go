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
	maxInFlight                 = time.Minute // how long a request holds its key, even if its process dies
)

// storedAnswer is the row of an idempotency key. It says that a request is in flight, then has the answer, without
// secrets.
type storedAnswer struct {
	Request string    // hex SHA-256 of the query and body
	Until   time.Time // in flight until then at the latest; zero once there is an answer
	Status  int
	Body    json.RawMessage
}

// handleOnce handles a call that creates something, at most once per Idempotency-Key. If the handler refuses the
// request, the key is released, so that the client can correct the request and send it again. An error of kind
// Unavailable, whose outcome is unknown, also releases the key: a retry may then create a second object, but
// otherwise the client could never get an answer.
func (a *API) handleOnce(w http.ResponseWriter, c *call) (answer, error) {
	key, err := idempotencyKey(c.r)
	if err != nil {
		return answer{}, err
	}
	if key == "" {
		return a.handle(c)
	}
	row := tenants.Key{Tenant: c.who.Tenant, Kind: rowIdempotency,
		Sort: tenants.DerivedID("", c.r.Method, c.r.URL.Path, c.who.Subject, key)}
	mine := storedAnswer{Request: requestHash(c), Until: time.Now().UTC().Add(maxInFlight)}
	version, earlier, err := a.claim(c.ctx, row, mine)
	if err != nil {
		return answer{}, err
	}
	if earlier != nil {
		w.Header().Set("Idempotent-Replayed", "true")
		return answer{earlier.Status, earlier.Body}, nil
	}
	out, err := a.handle(c)
	// Store the answer for the client's next try even if the client has disconnected.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 5*time.Second)
	defer cancel()
	if err != nil {
		if freed := a.Table.Write(ctx, tenants.Delete(row, tenants.At(version))); freed != nil {
			a.Logger.Warn("idempotency key was not released; it stays in flight until it expires",
				"request_id", c.requestID, "error", freed.Error())
		}
		return answer{}, err
	}
	done := storedAnswer{Request: mine.Request, Status: out.status, Body: encode(redacted(out.body))}
	put := tenants.Put(row, encode(done), time.Now().Add(keepAnswers), tenants.At(version))
	if kept := a.Table.Write(ctx, put); kept != nil {
		a.Logger.Warn("answer was not stored", "request_id", c.requestID, "error", kept.Error())
	}
	return out, nil
}

// claim takes the key for this request, or returns the answer to an earlier request with the same content. Errors:
// Unprocessable idempotency_key_reused, Conflict idempotency_key_in_flight.
func (a *API) claim(
	ctx context.Context, row tenants.Key, mine storedAnswer,
) (version int64, earlier *storedAnswer, err error) {
	inFlight := &tenants.Error{Kind: tenants.Conflict, Code: "idempotency_key_in_flight",
		Detail: "another request with this Idempotency-Key is in progress"}
	free := tenants.Absent()
	switch found, err := a.Table.Get(ctx, row); {
	case err == nil:
		var r storedAnswer
		if err := json.Unmarshal(found.Body, &r); err != nil {
			return 0, nil, err
		}
		if r.Request != mine.Request {
			return 0, nil, tenants.Errorf(tenants.Unprocessable, "idempotency_key_reused",
				"the Idempotency-Key was used with a different request; each request needs its own key")
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
	bad := tenants.Errorf(tenants.Invalid, "invalid_idempotency_key",
		"the Idempotency-Key must be 1 to 255 printable ASCII characters, given once")
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

func redacted(body any) any {
	if s, ok := body.(secretive); ok {
		return s.withoutSecrets()
	}
	return body
}

// encode returns v as JSON. It does not change a json.RawMessage.
func encode(v any) []byte {
	if raw, ok := v.(json.RawMessage); ok {
		return raw
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("api: a handler's answer cannot be encoded: " + err.Error())
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
