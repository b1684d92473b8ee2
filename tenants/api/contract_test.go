package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// contract is openapi.yaml. All exchanges of this package's tests are checked against it.
type contract struct {
	doc    *openapi3.T
	router routers.Router
}

var loadContract = sync.OnceValues(func() (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../openapi.yaml")
	if err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(doc)
	for _, kind := range []string{"application/xml", "application/x-ndjson"} {
		openapi3filter.RegisterBodyDecoder(kind, asText)
	}
	return &contract{doc, router}, err
})

// asText decodes a body as a string, as the contract describes bodies of other types.
func asText(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
	b, err := io.ReadAll(body)
	return string(b), err
}

func theContract(t testing.TB) *contract {
	t.Helper()
	c, err := loadContract()
	if err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return c
}

// check checks one exchange against the contract: a request that violates it must have been refused, and the answer's
// status, headers and body must match it.
func (c *contract) check(t testing.TB, r *http.Request, body []byte, status int, header http.Header, answer []byte) {
	t.Helper()
	said := r.Method + " " + r.URL.Path
	route, params, err := c.router.FindRoute(r)
	if err != nil && r.Method == http.MethodHead { // every GET route answers it, without a body
		if len(answer) > 0 {
			t.Errorf("%s: a body of %d bytes, want none", said, len(answer))
		}
		return
	}
	if err != nil {
		if status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
			t.Errorf("%s is not in the contract and was answered %d, want 404 or 405", said, status)
		}
		return
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		IncludeResponseStatus: true}
	sent := r.Clone(context.Background())
	sent.Body = io.NopCloser(bytes.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: sent, PathParams: params, Route: route, Options: options}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil && status < 400 {
		t.Errorf("%s was answered %d, want an error, because the contract refuses the request: %.1500v", said,
			status, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: status, Header: header,
		Options: options}
	out.SetBodyBytes(answer)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		t.Errorf("%s was answered %d %.500s, which is not in the contract: %.1500v", said, status, answer, err)
	}
	if len(answer) > 0 && status == http.StatusNoContent {
		t.Errorf("%s: 204 with a body, want none", said)
	}
}

func TestTheContractIsAValidDocument(t *testing.T) {
	c := theContract(t)
	if err := c.doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	seen := make(map[string]string)
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			at := method + " " + path
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s lacks an operationId, a summary or a tag", at)
			}
			if other, taken := seen[op.OperationID]; taken {
				t.Errorf("%s and %s are both called %s", at, other, op.OperationID)
			}
			seen[op.OperationID] = at
		}
	}
}

func TestTheContractHoldsNoSecret(t *testing.T) {
	b, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"hk_live_", "hk_oper_", "hk_sign_", "whsec_", "eyJ"} {
		if bytes.Contains(b, []byte(s)) {
			t.Errorf("openapi.yaml contains %q, want no secret", s)
		}
	}
}
