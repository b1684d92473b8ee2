package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/api"
)

// elsewhere reports whether a route of the contract is served by another package.
func elsewhere(path string) bool {
	return !strings.HasPrefix(path, "/v1/") || path == "/v1/stream" || path == "/v1/poll" || path == "/v1/ws" ||
		path == "/v1/proxies/run" || strings.HasPrefix(path, "/v1/proxies/{id}/")
}

func TestTheAPIServesWhatTheContractDescribesAndNothingElse(t *testing.T) {
	var served, described []string
	for _, r := range api.Routes() {
		served = append(served, r.Method+" "+r.Path)
	}
	for path, item := range theContract(t).doc.Paths.Map() {
		for method := range item.Operations() {
			if !elsewhere(path) {
				described = append(described, method+" "+path)
			}
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	for _, r := range served {
		if !slices.Contains(described, r) {
			t.Errorf("%s is served, want it in openapi.yaml, too", r)
		}
	}
	for _, r := range described {
		if !slices.Contains(served, r) {
			t.Errorf("%s is in openapi.yaml, want it served, too", r)
		}
	}
}

func TestARouteTakesAnIdempotencyKeyWhereTheContractSaysSo(t *testing.T) {
	for _, r := range api.Routes() {
		op := theContract(t).doc.Paths.Value(r.Path).GetOperation(r.Method)
		if described := op.Parameters.GetByInAndName("header", "Idempotency-Key") != nil; described != r.Creates {
			t.Errorf("%s %s takes an Idempotency-Key: %v; described as such: %v", r.Method, r.Path, r.Creates,
				described)
		}
		if public := op.Security != nil && len(*op.Security) == 1 && len((*op.Security)[0]) == 0; public != r.Public {
			t.Errorf("%s %s is public: %v; described as such: %v", r.Method, r.Path, r.Public, public)
		}
		if tokens := op.Security != nil && len(*op.Security) == 2; tokens != r.Tokens {
			t.Errorf("%s %s takes tokens: %v; described as such: %v", r.Method, r.Path, r.Tokens, tokens)
		}
	}
}

func TestAPathThatIsNotOneOfOursIs404(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/nothing", "/v1/keys/", "/v1//keys", "//v1/keys", "/v1/keys/../keys", "/v1/./keys",
		"/v1/%2e%2e/v1/keys", "/v1/keys/%2e",
		"/V1/keys", "/v1/Keys", "/v1/channels/a/b/events",
	} {
		w.do("GET", path, ten.key, nil).want(404, "not_found")
	}
}

func TestAMethodThatAPathDoesNotTakeIs405WithAllow(t *testing.T) {
	w := newWorld(t)
	for path, allow := range map[string]string{
		"/v1/keys": "GET, HEAD, POST", "/v1/keys/key_1": "DELETE", "/v1/tenant": "DELETE, GET, HEAD, PATCH",
		"/v1/signup": "POST", "/v1/channels/a/events": "GET, HEAD, POST",
	} {
		a := w.do("PUT", path, "", "{}").want(405, "method_not_allowed")
		if a.header.Get("Allow") != allow {
			t.Errorf("%s: Allow %q, want %q", path, a.header.Get("Allow"), allow)
		}
	}
}

func TestHEADIsGETWithoutABody(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	get := w.do("GET", "/v1/tenant", ten.key, nil).want(200)
	head := w.do("HEAD", "/v1/tenant", ten.key, nil)
	if head.status != 200 || len(head.body) != 0 ||
		head.header.Get("Content-Length") != get.header.Get("Content-Length") {
		t.Errorf("HEAD: %d, %d bytes, Content-Length %s; want 200, none and that of GET", head.status, len(head.body),
			head.header.Get("Content-Length"))
	}
	if refused := w.do("HEAD", "/v1/tenant", "", nil); refused.status != 401 || len(refused.body) != 0 {
		t.Errorf("HEAD without a key: %d %s, want 401 without a body", refused.status, refused.body)
	}
}
