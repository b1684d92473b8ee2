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

// SourceLookup finds sources; source.Sources is one.
type SourceLookup interface {
	// ByToken returns the source whose URL holds the token, and its secrets in the order of Source.Secrets, or
	// NotFound. The result is shared and must not be changed.
	ByToken(ctx context.Context, token string) (source.Source, []signing.Secret, error)
	// VerifyToken returns the token by which a provider's handshake proves that the source's tenant set it up.
	VerifyToken(src source.Source) string
}

// Inbound is a webhook as it arrived.
type Inbound struct {
	Token    string // the last part of the path
	Method   string
	URL      string              // the public address that the provider was told, from configuration
	Header   map[string][]string // with canonical keys
	Body     []byte              // complete and not decoded
	Received time.Time
}

func (in Inbound) request() signing.Request {
	return signing.Request{Method: in.Method, URL: in.URL, Header: in.Header, Body: in.Body}
}

// Receiver takes webhooks in: it finds the source, verifies the signature, and enqueues the event.
type Receiver struct {
	sources    SourceLookup
	verifier   source.Verifier
	intake     *Intake
	handshakes *cache.Rate[string] // by source id
}

// NewReceiver returns a Receiver for the sources into in.
func NewReceiver(sources SourceLookup, v source.Verifier, in *Intake) *Receiver {
	return &Receiver{sources, v, in, cache.NewRate[string](10_000)}
}

// Receive enqueues a webhook. Once it has returned nil without a Reply, the event is durable. It believes nothing of
// the request before the signature is verified, which covers the bytes as they were sent: until then it decodes
// nothing and counts nothing against the tenant's rate. The event holds the decoded body.
//
// Accepted.Tenant is set with an error, too, if the source was found. Errors: NotFound source_not_found; Forbidden
// tenant_suspended, verify_token_mismatch; MethodNotAllowed, with Accepted.Allow; TooLarge event_too_large,
// decoded_too_large; UnsupportedMediaType content_encoding; Invalid body_undecodable, challenge_missing,
// challenge_malformed; Unauthenticated with a code of package signing; Unprocessable channel_field_missing,
// reserved_channel; TooMany handshake_rate, source_rate, event_rate, event_month_limit, channel_limit; Unavailable.
func (r *Receiver) Receive(ctx context.Context, in Inbound) (accepted Accepted, err error) {
	src, secrets, err := r.sources.ByToken(ctx, in.Token)
	if err != nil {
		return Accepted{}, err
	}
	defer func() { accepted.Tenant = src.Tenant }()
	scheme, err := src.Scheme()
	if err != nil {
		return Accepted{}, tenants.Errorf(tenants.Internal, "source_unusable", "%w", err)
	}
	if accepted, answered, err := r.greet(in, src, scheme, secrets); answered {
		return accepted, err
	}
	gzipped, err := Gzipped(in.Header)
	if err != nil {
		return Accepted{}, err
	}
	terms, err := r.intake.sourceTerms(ctx, src.Tenant, !scheme.None())
	if err != nil {
		return Accepted{}, err
	}
	if err := terms.CheckSize(len(in.Body)); err != nil {
		return Accepted{}, err
	}
	v, err := r.verifier.Verify(ctx, src, secrets, in.request(), in.Received)
	if err != nil {
		return Accepted{}, unverified(err)
	}
	terms.verified = time.Now()
	if gzipped {
		if in.Body, err = decode(in.Body, terms.eventBytes()); err != nil {
			return Accepted{}, err
		}
		v = scheme.Decoded(in.request(), v)
	}
	if reply, ok := scheme.Challenge(v, in.request(), secrets); ok {
		return Accepted{Reply: &reply}, nil
	}
	if err := r.intake.takeSource(src, terms); err != nil {
		return Accepted{}, err
	}
	e, err := event(in, src, scheme, v, gzipped)
	if err != nil {
		return Accepted{}, err
	}
	accepted, err = r.intake.enqueue(ctx, e, terms, v.DeliveryID != "")
	accepted.Response = src.Response
	return accepted, err
}

// event returns the event of a verified webhook whose body is decoded.
func event(in Inbound, src source.Source, s signing.Scheme, v signing.Verified, gzipped bool) (tenants.Event, error) {
	e := tenants.Event{
		ID: tenants.NewID(tenants.PrefixEvent), Tenant: src.Tenant, Type: tenants.TypeOf(v.Type), Data: in.Body,
		Source: src.ID, Time: in.Received.UTC(), Hops: tenants.HopsOf(in.Header),
		Provenance: &tenants.Provenance{
			Scheme: v.Scheme, Verified: !s.None(), Legacy: v.Legacy, Signed: v.Timestamp, DeliveryID: v.DeliveryID,
			Attempt: v.Attempt, Headers: s.Carried(signing.Request{Header: in.Header}, gzipped), Decoded: gzipped,
		},
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
	channel, missing := template.Channel(source.TemplateInput{Header: in.Header, Body: in.Body, Type: e.Type,
		Source: src.ID})
	if missing != "" {
		if channel = src.Fallback; channel == "" {
			return e, tenants.Errorf(tenants.Unprocessable, "channel_field_missing",
				"the source's channel template needs %s, and this webhook has no such text or number", missing)
		}
	}
	if tenants.UnpublishableChannel(channel) {
		return e, tenants.UnpublishableError("")
	}
	e.Channel = channel
	return e, nil
}

// unverified returns the answer to a request that failed verification. Its detail holds nothing of the request.
func unverified(err error) *tenants.Error {
	if e, ok := errors.AsType[*tenants.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*signing.Error](err); ok {
		return tenants.Errorf(tenants.Unauthenticated, e.Code, "%s", e.Detail)
	}
	return tenants.Errorf(tenants.Internal, "signing_failed", "the request could not be verified")
}
