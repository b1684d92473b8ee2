package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/streamer/peers"
	"github.com/hookcast/hookcast/tenants/signing"
)

// registration is a source as its tenant registered it, with the secret that signs for it here.
type registration struct {
	endtoend.Registration
	signer signing.Secret
}

// webhook is a signed request.
type webhook struct{ endtoend.Webhook }

// register creates a source with a secret of its provider's kind.
func register(t *testing.T, p *process, key, provider string) registration {
	t.Helper()
	s, ok := signing.Lookup(provider)
	if !ok {
		t.Fatal("unknown provider ", provider)
	}
	r := registration{Registration: endtoend.Registration{Provider: provider, Secret: s.NewSecret(rand.Reader)}}
	var private crypto.Signer
	var err error
	switch s.Mark.Algorithm {
	case signing.Ed25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case signing.ECDSAP256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	if private == nil {
		r.signer, err = s.ParseSecret(r.Secret)
	} else {
		r.Secret = publicText(t, private)
		r.signer, err = s.Signer(r.Secret, private)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Do(t.Context(), "POST", "/v1/sources",
		key, map[string]string{"name": provider, "provider": provider, "secret": r.Secret, "channel": "hooks"})
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ URL string }
	a.Want(t, 201).JSON(t, &made)
	r.URL = made.URL
	return r
}

func publicText(t *testing.T, private crypto.Signer) string {
	t.Helper()
	if key, ok := private.Public().(ed25519.PublicKey); ok {
		return hex.EncodeToString(key)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// post sends the webhook with the given body, and returns the status and the code of a refusal.
func (w webhook) post(t *testing.T, client *http.Client, body string) (int, string) {
	t.Helper()
	url := w.URL
	if w.Query != "" {
		url += "?" + w.Query
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range w.Headers {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var refusal struct{ Code string }
	_ = json.NewDecoder(res.Body).Decode(&refusal)
	return res.StatusCode, refusal.Code
}

// payload returns a body as the provider could send it.
func payload(provider string, now time.Time) string {
	switch provider {
	case "linear":
		return fmt.Sprintf(`{"action":"create","type":"Comment","webhookTimestamp":%d}`, now.UnixMilli())
	case "adyen":
		return `{"live":"false","notificationItems":[{"NotificationRequestItem":` +
			`{"additionalData":{"hmacSignature":""},` +
			`"amount":{"currency":"EUR","value":1130},` +
			`"eventCode":"AUTHORISATION","merchantAccountCode":"TestMerchant",` +
			`"merchantReference":"TestPayment-1407325143704","originalReference":"",` +
			`"pspReference":"7914073381342284","success":"true"}}]}`
	case "sendgrid":
		return "[{\"email\":\"a@example.com\",\"event\":\"dropped\",\"sg_event_id\":\"x-1\"}]\r\n"
	}
	return `{"id":"evt_1","type":"demo.created","data":{"name":"café ☕","object":{}},"text":"one\ntwo"}`
}

// altered changes one byte of a value that the signature covers.
func altered(body string) string {
	for _, change := range [][2]string{{"1130", "1131"}, {"demo", "demO"}, {"create", "creatE"}, {"dropped", "dropPed"},
		{"hello", "hellO"}} {
		if strings.Contains(body, change[0]) {
			return strings.Replace(body, change[0], change[1], 1)
		}
	}
	return body + " "
}

// ahead is how far in the future a webhook is signed: these libraries allow 5 and 60 seconds, and a slow machine may
// need some of that.
var ahead = map[string]time.Duration{"paddle": 2 * time.Minute, "linear": 50 * time.Second}

func TestWhatTheProvidersOwnLibrariesSignIsTakenAndOneByteAlteredIsNot(t *testing.T) {
	t.Parallel()
	own := endtoend.OpenLibraries(t)
	p := start(t, peers.FreeAddr(), filepath.Join(t.TempDir(), "data"))
	a, err := p.Do(t.Context(), "POST", "/v1/signup", "", map[string]string{"name": "Acme", "email": "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	var tenant struct {
		Key struct{ Secret string } `json:"api_key"`
	}
	a.Want(t, 201).JSON(t, &tenant)
	libraries := own.Ask(t, nil, nil)
	if len(libraries.Signs) < 9 || len(libraries.Verifies) < 17 {
		t.Fatalf("the libraries sign for %v and verify for %v, want at least 9 and 17 providers", libraries.Signs,
			libraries.Verifies)
	}
	sources := make(map[string]registration)
	for _, name := range slices.Concat(libraries.Signs, libraries.Verifies) {
		if _, known := sources[name]; !known {
			sources[name] = register(t, p, tenant.Key.Secret, name)
		}
	}
	// The library signs, and onebox accepts.
	now := time.Now()
	var jobs []endtoend.SignJob
	for _, name := range libraries.Signs {
		jobs = append(jobs, endtoend.SignJob{Registration: sources[name].Registration, ID: "msg_" + name,
			Now: now.UnixMilli(), Body: payload(name, now)})
	}
	jobs = append(jobs, endtoend.SignJob{Registration: sources["twilio"].Registration,
		Form: map[string]string{"Body": "hello, café & more", "From": "+15550100", "To": "", "A b": "="}})
	for i, s := range own.Ask(t, jobs, nil).Signed {
		w := webhook{endtoend.Webhook{Registration: jobs[i].Registration, Headers: s.Headers, Body: s.Body,
			Query: s.Query}}
		if w.Body == "" {
			w.Body = jobs[i].Body
		}
		w.refusedWhenAltered(t, p.HTTP)
	}

	// Onebox accepts what the library would accept, and the library refuses what onebox refuses.
	var requests []endtoend.Webhook
	for _, name := range libraries.Verifies {
		w := signedHere(t, sources[name], time.Now().Add(ahead[name]))
		requests = append(requests, w.Webhook)
		w.Body = altered(w.Body)
		requests = append(requests, w.Webhook)
	}
	verified := own.Ask(t, nil, requests).Verified
	for i, w := range requests {
		if verified[i] != (i%2 == 0) {
			t.Errorf("the library of %s accepts a webhook signed here: %v, want %v", w.Provider, verified[i], i%2 == 0)
		}
		if i%2 == 0 {
			webhook{w}.refusedWhenAltered(t, p.HTTP)
		}
	}
}

// refusedWhenAltered posts the webhook with one byte altered, then unaltered.
func (w webhook) refusedWhenAltered(t *testing.T, client *http.Client) {
	t.Helper()
	if status, code := w.post(t, client, altered(w.Body)); status != 401 ||
		code != signing.SignatureMismatch && code != signing.BodyNotSigned {
		t.Errorf("%s: the altered webhook is answered %d %s, want 401", w.Provider, status, code)
	}
	if status, code := w.post(t, client, w.Body); status != 202 && status != 200 {
		t.Errorf("%s: the webhook is answered %d %s, want 202 or 200", w.Provider, status, code)
	}
}

// signedHere returns a webhook signed by package signing.
func signedHere(t *testing.T, r registration, now time.Time) webhook {
	t.Helper()
	s, _ := signing.Lookup(r.Provider)
	w := webhook{endtoend.Webhook{Registration: r.Registration, Headers: map[string]string{},
		Body: payload(r.Provider, now)}}
	request := signing.Request{Method: "POST", URL: r.URL, Body: []byte(w.Body)}
	if r.Provider == "twilio" {
		w.Body = "Body=hello&From=%2B15550100"
		request.Body, request.Header = []byte(w.Body),
			map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}}
		w.Headers["content-type"] = "application/x-www-form-urlencoded"
	}
	if s.Mark.Field != "" {
		text, err := s.Signature(r.signer, request, "", now)
		if err != nil {
			t.Fatal(err)
		}
		w.Body = strings.Replace(w.Body, `"hmacSignature":""`, `"hmacSignature":"`+text+`"`, 1)
		return w
	}
	headers, err := s.Sign(r.signer, request, "here_"+r.Provider, now)
	if err != nil {
		t.Fatal(r.Provider, err)
	}
	for name, values := range headers {
		w.Headers[strings.ToLower(name)] = values[0]
	}
	if r.Provider == "shopify" {
		w.Headers["x-shopify-topic"] = "orders/create"
	}
	return w
}
