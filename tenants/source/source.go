package source

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/signing"
)

const rowSource tenants.Kind = "source" // sys, hex SHA-256 of the URL's token

const rowSources tenants.Kind = "list/sources" // {tenant}, source id

// Source is a registration of webhooks that come in: a URL that a provider posts to, how it proves that it is the provider,
// and the channel that its events go to.
type Source struct {
	ID          string
	Tenant      tenants.TenantID
	Name        string
	Provider    string                 // the name of a signing.Scheme; "none" verifies nothing, and its events say so
	Channel     string                 // a channel, or a template of one over payload and headers
	Fallback    string                 // the channel where a field of the template is missing; "": such a request is refused
	Custom      *signing.Custom        // the tenant's own terms; nil: the scheme's
	AllowLegacy bool                   // take the scheme's deprecated signatures
	Tolerance   time.Duration          // how old a signature may be; 0: the scheme's own
	Response    *Response              // what a provider is answered; nil: Hookcast's own answer
	Secrets     []tenants.SealedSecret // 1 to MaxSecrets; none with "none"
	Tokens      []Token                // the URL's, the newest first: the others are being rotated out
	Created     time.Time
}

// Token is what stands in a source's URL. It is sealed so that the URL can be shown again, and hashed to be found.
type Token struct {
	Hash    string // hex SHA-256
	Sealed  []byte
	Expires time.Time // zero: never
}

// Spec is what a caller chooses of a new source.
type Spec struct {
	Name        string
	Provider    string
	Secret      string // "" with a scheme whose secret is ours to make: then one is made
	Channel     string
	Fallback    string
	Custom      *signing.Custom
	AllowLegacy bool
	Tolerance   time.Duration
	Response    *Response
}

// Patch changes what it names and leaves the rest.
type Patch struct {
	Name        *string
	Channel     *string
	Fallback    *string
	Custom      *signing.Custom
	AllowLegacy *bool
	Tolerance   *time.Duration
	Response    **Response // to nil: Hookcast's own again
}

// Bounds of a source.
const (
	MaxSecrets   = 8 // at a time, those being rotated out included
	MaxTokens    = 4 // likewise
	MinTolerance = time.Second
	MaxTolerance = time.Hour
)

// Scheme returns the source's scheme on its own terms. It fails where a stored source no longer fits its scheme.
func (s Source) Scheme() (signing.Scheme, error) {
	scheme, ok := signing.Lookup(s.Provider)
	if !ok {
		return signing.Scheme{}, tenants.Refused("/provider", "provider_unknown", "there is no provider of that name; GET /v1/providers lists them")
	}
	if s.Custom == nil {
		return scheme, nil
	}
	scheme, err := scheme.Customize(*s.Custom)
	if err != nil {
		return signing.Scheme{}, tenants.Refused("/custom", "invalid_custom", signing.Detail(err))
	}
	return scheme, nil
}

// check refuses a source that could not work, and returns its scheme.
func (s Source) check() (signing.Scheme, error) {
	if err := tenants.CheckName("/name", s.Name); err != nil {
		return signing.Scheme{}, err
	}
	scheme, err := s.Scheme()
	if err != nil {
		return signing.Scheme{}, err
	}
	if err := checkRoute(s.Channel, s.Fallback); err != nil {
		return signing.Scheme{}, err
	}
	if s.Tolerance != 0 && (s.Tolerance < MinTolerance || s.Tolerance > MaxTolerance) {
		return signing.Scheme{}, tenants.Refused("/tolerance_seconds", "invalid_tolerance", "the tolerance must be 1 to 3600 seconds, or 0 for the provider's own")
	}
	if s.Response != nil {
		if err := s.Response.check(); err != nil {
			return signing.Scheme{}, err
		}
	}
	return scheme, nil
}

// checkRoute holds channel to a channel's name or a template, and fallback to a name, which only a template can need.
func checkRoute(channel, fallback string) error {
	route, err := ParseTemplate(channel)
	switch {
	case err != nil:
		return err
	case tenants.UnpublishableChannel(channel):
		return tenants.UnpublishableError("/channel")
	case tenants.UnpublishableChannel(fallback):
		return tenants.UnpublishableError("/fallback")
	case fallback != "" && !tenants.ValidChannel(fallback):
		return tenants.Refused("/fallback", "invalid_channel", "the fallback must be a channel's name: segments of a-z, 0-9, _ and -, joined by dots")
	case fallback != "" && route.Fixed():
		return tenants.Refused("/fallback", "invalid_channel", "the channel has no placeholder that could be missing, so that a fallback would never be used")
	}
	return nil
}

func (s Source) row() tenants.Key { return tenants.Key{Tenant: s.Tenant, Kind: rowSources, Sort: s.ID} }

// puts writes the source and the rows by which its URLs are found.
func (s Source) puts() []tenants.Op {
	ops := []tenants.Op{tenants.Put(s.row(), record.Encode(s), time.Time{}, tenants.Anything())}
	for _, t := range s.Tokens {
		ops = append(ops, tenants.Put(t.lookup(), record.Encode(sourceLookup{s.Tenant, s.ID, t.Expires}), t.Expires, tenants.Anything()))
	}
	return ops
}

// sourceLookup is how a URL that is posted to is found.
type sourceLookup struct {
	Tenant  tenants.TenantID
	ID      string
	Expires time.Time
}

func (t Token) lookup() tenants.Key {
	return tenants.Key{Tenant: tenants.System, Kind: rowSource, Sort: t.Hash}
}

// Kinds are the kinds of rows that tenants have here.
func Kinds() []tenants.TenantKind {
	return []tenants.TenantKind{{Kind: rowSources, AtOnce: true, Lookups: sourceLookups}}
}

// sourceLookups names the rows of System by which the source in row is found.
func sourceLookups(row tenants.Row) (keys []tenants.Key, err error) {
	s, err := record.Decode[Source](row)
	for _, t := range s.Tokens {
		keys = append(keys, t.lookup())
	}
	return keys, err
}
