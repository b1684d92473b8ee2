package endpoint

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/outgoing"
	"github.com/hookcast/hookcast/tenants/signing"
)

// openEndpoint holds the opened secrets of an endpoint, in the order of Endpoint.Secrets, and its opened headers.
type openEndpoint struct {
	secrets []string
	headers map[string]string
}

// Prepare returns the request that delivers an event to an endpoint at the time at. Its body is the event's payload,
// byte for byte, signed as of Standard Webhooks 1.0.0 with every secret that has not ended. All attempts at a
// delivery must have the same messageID, which must not contain a dot: receivers recognize repeats by it.
//
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func (s *Endpoints) Prepare(ctx context.Context, e Endpoint, messageID string, ev tenants.Event, at time.Time,
) (tenants.Outgoing, error) {
	if messageID == "" || strings.ContainsAny(messageID, ". \r\n") {
		return tenants.Outgoing{}, tenants.Errorf(tenants.Internal, "invalid_message_id",
			"the message id must not be empty or contain a dot or a space")
	}
	opened, err := s.open(ctx, e)
	if err != nil {
		return tenants.Outgoing{}, err
	}
	header := make(map[string][]string)
	for name, value := range opened.headers {
		header[name] = []string{value}
	}
	// After the tenant's headers, so that ours win.
	for name, value := range map[string]string{
		"Content-Type":         contentTypeOf(ev),
		"User-Agent":           "Hookcast/1 (webhooks)",
		"Webhook-Id":           messageID,
		"Webhook-Timestamp":    strconv.FormatInt(at.Unix(), 10),
		"Hookcast-Endpoint-Id": e.ID,
		"Hookcast-Event-Id":    ev.ID,
		"Hookcast-Event-Type":  ev.Type,
		tenants.HeaderHops:     strconv.Itoa(ev.Hops + 1),
	} {
		header[name] = []string{value}
	}
	if ev.Channel != "" { // a probe has none
		header["Hookcast-Channel"] = []string{ev.Channel}
		header["Hookcast-Seq"] = []string{strconv.FormatInt(ev.Seq, 10)}
	}
	var signatures []string
	for i, x := range e.Secrets {
		if tenants.Ended(x.NotAfter, at) {
			continue
		}
		signature, err := sign(x.Scheme, opened.secrets[i], messageID, at, ev.Data)
		if err != nil {
			return tenants.Outgoing{}, err
		}
		signatures = append(signatures, signature)
	}
	if len(signatures) == 0 {
		return tenants.Outgoing{}, tenants.Errorf(tenants.Internal, "endpoint_unusable",
			"the endpoint has no secret to sign with")
	}
	header["Webhook-Signature"] = []string{strings.Join(signatures, " ")}
	return tenants.Outgoing{Method: http.MethodPost, URL: e.URL, Header: header, Body: ev.Data}, nil
}

// sign returns one signature of the header Webhook-Signature.
func sign(scheme, secret, id string, at time.Time, body []byte) (string, error) {
	if scheme == SchemeV1a {
		key, err := privateKey(secret)
		if err != nil {
			return "", err
		}
		signed := append([]byte(id+"."+strconv.FormatInt(at.Unix(), 10)+"."), body...)
		return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, signed)), nil
	}
	v1 := standardWebhooks()
	key, err := v1.ParseSecret(secret)
	if err != nil {
		return "", tenants.Errorf(tenants.Internal, "endpoint_unusable", "%w", err)
	}
	header, err := v1.Sign(key, signing.Request{Body: body}, id, at)
	if err != nil {
		return "", tenants.Errorf(tenants.Internal, "endpoint_unusable", "%w", err)
	}
	return header[v1.Mark.Header][0], nil
}

// contentTypeOf returns the content type that the event's sender declared if it is a valid header value, otherwise a
// guess.
func contentTypeOf(ev tenants.Event) string {
	switch declared := ev.ContentType; {
	case declared != "" && outgoing.HeaderProblem("X", declared) == "":
		return declared
	case json.Valid(ev.Data):
		return "application/json"
	}
	return "application/octet-stream"
}

// open opens the endpoint's secrets and headers. The result is cached by the sealed values, so that a change shows at
// once.
func (s *Endpoints) open(ctx context.Context, e Endpoint) (openEndpoint, error) {
	parts := []string{string(e.Tenant), e.ID, string(e.Headers)}
	for _, x := range e.Secrets {
		parts = append(parts, x.ID, x.Scheme, string(x.Sealed))
	}
	return s.opened.Get(ctx, tenants.DerivedID("", parts...), func(ctx context.Context) (o openEndpoint, err error) {
		if o.headers, err = s.openHeaders(ctx, e); err != nil {
			return openEndpoint{}, err
		}
		for _, x := range e.Secrets {
			text, err := s.vault.Open(ctx, e.Tenant, x.purpose(e.ID), x.Sealed)
			if err != nil {
				return openEndpoint{}, err
			}
			o.secrets = append(o.secrets, string(text))
		}
		return o, nil
	})
}
