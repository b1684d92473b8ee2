package intake

import (
	"context"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
)

// SourceLookup finds the source whose URL holds a token, and its secrets in the order of Source.Secrets; Sources is one. No such
// source: NotFound. The answer is shared, to be read only.
type SourceLookup interface {
	ByToken(ctx context.Context, token string) (source.Source, []signing.Secret, error)
	// VerifyToken is what a provider must say in a handshake by which it asks whether it was the source's tenant who set it up.
	VerifyToken(src source.Source) string
}

// Inbound is a webhook as it arrived.
type Inbound struct {
	Token    string // the last part of the path
	Method   string
	URL      string              // the public address that the provider was told, from configuration
	Header   map[string][]string // with canonical keys
	Body     []byte              // raw, and whole
	Received time.Time
}

// Receiver takes webhooks in: finds the source, verifies the signature, and enqueues the event.
type Receiver struct {
	sources    SourceLookup
	verifier   source.Verifier
	intake     *Intake
	handshakes *cache.Rate[string] // by source
}

// NewReceiver returns a Receiver for the sources into in.
func NewReceiver(sources SourceLookup, j source.Verifier, in *Intake) *Receiver {
	return &Receiver{sources, j, in, cache.NewRate[string](10_000)}
}

// Receive enqueues a webhook. Once it has returned nil without a Reply, the event is durable. Refused: NotFound source_not_found;
// Forbidden tenant_suspended, verify_token_mismatch; MethodNotAllowed, with Accepted.Allow; TooLarge event_too_large, decoded_too_large; UnsupportedMediaType content_encoding;
// Invalid body_undecodable, challenge_missing, challenge_malformed; Unauthenticated with the code of package signing;
// Unprocessable channel_field_missing, reserved_channel; TooMany handshake_rate, source_rate, event_rate, event_month_limit, channel_limit; Unavailable. Whose source it is the answer says of a refusal too.
//
// Nothing of the request is believed before its signature has passed, which covers the bytes as they were sent; nothing of it is decoded before, and
// nothing of it counts against the tenant's rate. An event holds the decoded body.
func (r *Receiver) Receive(ctx context.Context, in Inbound) (Accepted, error) {
	src, secrets, err := r.sources.ByToken(ctx, in.Token)
	if err != nil {
		return Accepted{}, err
	}
	accepted, err := r.receive(ctx, in, src, secrets)
	accepted.Tenant = src.Tenant
	return accepted, err
}

func (r *Receiver) receive(ctx context.Context, in Inbound, src source.Source, secrets []signing.Secret) (Accepted, error) {
	scheme, err := src.Scheme()
	if err != nil {
		return Accepted{}, tenants.Errorf(tenants.Internal, "source_unusable", "%w", err)
	}
	if accepted, answered, err := r.greet(in, src, scheme, secrets); answered {
		return accepted, err
	}
	gzipped, err := Encoded(in.Header)
	if err != nil {
		return Accepted{}, err
	}
	terms, err := r.intake.termsOf(ctx, src.Tenant, !scheme.None())
	if err != nil {
		return Accepted{}, err
	}
	if err := terms.CheckSize(len(in.Body)); err != nil {
		return Accepted{}, err
	}
	request := signing.Request{Method: in.Method, URL: in.URL, Header: in.Header, Body: in.Body}
	v, err := r.verifier.Verify(ctx, src, secrets, request, in.Received)
	if err != nil {
		return Accepted{}, unverified(err)
	}
	terms.verified = time.Now()
	if gzipped {
		if in.Body, err = decode(in.Body, terms.eventBytes()); err != nil {
			return Accepted{}, err
		}
		request.Body = in.Body
		v = scheme.Decoded(request, v)
	}
	if reply, ok := scheme.Challenge(v, request, secrets); ok {
		return Accepted{Reply: &reply}, nil
	}
	if err := r.intake.takeOf(src, terms); err != nil {
		return Accepted{}, err
	}
	e, err := event(in, src, scheme, v, gzipped)
	if err != nil {
		return Accepted{}, err
	}
	accepted, err := r.intake.enqueue(ctx, e, terms, v.DeliveryID != "")
	accepted.Response = src.Response
	return accepted, err
}

// event makes the event of a verified webhook, whose body is decoded.
func event(in Inbound, src source.Source, scheme signing.Scheme, v signing.Verified, gzipped bool) (tenants.Event, error) {
	e := tenants.Event{
		ID: tenants.NewID(tenants.PrefixEvent), Tenant: src.Tenant, Type: tenants.TypeOf(v.Type), Data: in.Body, Source: src.ID, Time: in.Received.UTC(), Hops: tenants.HopsOf(in.Header),
		Provenance: &tenants.Provenance{Scheme: v.Scheme, Verified: !scheme.None(), Legacy: v.Legacy, Signed: v.Timestamp, DeliveryID: v.DeliveryID, Attempt: v.Attempt,
			Headers: scheme.Carried(signing.Request{Header: in.Header}, gzipped), Decoded: gzipped},
	}
	if v.DeliveryID != "" {
		e.ID = tenants.DerivedID(tenants.PrefixEvent, string(src.Tenant), src.ID, v.DeliveryID)
	}
	if v.Secret >= 0 && v.Secret < len(src.Secrets) {
		e.Provenance.SecretID = src.Secrets[v.Secret].ID
	}
	if types := in.Header["Content-Type"]; len(types) == 1 {
		e.ContentType = contentType(types[0])
	}
	template, err := source.ParseTemplate(src.Channel)
	if err != nil {
		return e, tenants.Errorf(tenants.Internal, "source_unusable", "%w", err)
	}
	channel, missing := template.Channel(source.TemplateInput{Header: in.Header, Body: in.Body, Type: e.Type, Source: src.ID})
	if missing != "" {
		if channel = src.Fallback; channel == "" {
			return e, tenants.Errorf(tenants.Unprocessable, "channel_field_missing", "the source's channel needs %s, and this webhook has no such text or number", missing)
		}
	}
	if tenants.UnpublishableChannel(channel) {
		return e, tenants.UnpublishableError("")
	}
	e.Channel = channel
	return e, nil
}

// unverified is the answer to a request that was not believed. Its details hold nothing that the request brought.
func unverified(err error) error {
	if _, ok := errors.AsType[*tenants.Error](err); ok {
		return err
	}
	kind, code, detail := unbelieved(err)
	return tenants.Errorf(kind, code, "%s", detail)
}

func unbelieved(err error) (kind tenants.ErrorKind, code, detail string) {
	if e, ok := errors.AsType[*signing.Error](err); ok {
		return tenants.Unauthenticated, e.Code, e.Detail
	}
	return tenants.Internal, "signing_failed", "the request could not be verified"
}
