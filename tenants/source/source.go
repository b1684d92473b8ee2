package source

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/signing"
)

const (
	rowSource  tenants.Kind = "source"       // sys, hex SHA-256 of the URL's token
	rowSources tenants.Kind = "list/sources" // {tenant}, source id
)

// Source is a URL that a provider posts webhooks to, with the scheme and the secrets that verify them and the channel
// that their events go to. It is stored as it is.
type Source struct {
	ID          string
	Tenant      tenants.TenantID
	Name        string
	Provider    string                 // the name of a signing.Scheme; "none" verifies nothing
	Channel     string                 // a channel or a Template of one
	Fallback    string                 // the channel if a placeholder has no value; "": such a request is refused
	Custom      *signing.Custom        // changes to the scheme; nil: none
	AllowLegacy bool                   // accept the scheme's deprecated signatures
	Tolerance   time.Duration          // the maximum age of a signature; 0: the scheme's own
	Response    *Response              // the answer to the provider; nil: Hookcast's own
	Secrets     []tenants.SealedSecret // 1 to MaxSecrets; none with provider "none"
	Tokens      []Token                // of its URLs, the newest first: the others are being rotated out
	Created     time.Time
}

// Token is the stored form of the secret part of a source's URL: hashed to find the source, sealed to show the URL
// again.
type Token struct {
	Hash    string // hex SHA-256
	Sealed  []byte
	Expires time.Time // zero: never
}

// Spec holds the values of a new source that its creator chooses. The fields are those of Source.
type Spec struct {
	Name        string
	Provider    string
	Secret      string // "": a new one, if the scheme lets the receiver choose
	Channel     string
	Fallback    string
	Custom      *signing.Custom
	AllowLegacy bool
	Tolerance   time.Duration
	Response    *Response
}

// Patch is a change of a source. A nil field leaves the value as it is.
type Patch struct {
	Name        *string
	Channel     *string
	Fallback    *string
	Custom      *signing.Custom // the zero Custom removes the source's
	AllowLegacy *bool
	Tolerance   *time.Duration
	Response    **Response // a pointer to nil removes the source's
}

// Bounds of a source.
const (
	MaxSecrets   = 8 // at a time, those being rotated out included
	MaxTokens    = 4 // at a time, those being rotated out included
	minTolerance = time.Second
	MaxTolerance = time.Hour
)

// Scheme returns the source's scheme with the source's changes. It fails if the scheme does not allow them.
func (s Source) Scheme() (signing.Scheme, error) {
	scheme, ok := signing.Lookup(s.Provider)
	if !ok {
		return signing.Scheme{}, tenants.Refused("/provider", "provider_unknown",
			"there is no provider with this name; GET /v1/providers lists them")
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
func (s Source) check() (scheme signing.Scheme, err error) {
	if err = tenants.CheckName("/name", s.Name); err != nil {
		return scheme, err
	}
	if scheme, err = s.Scheme(); err != nil {
		return scheme, err
	}
	if err = checkRoute(s.Channel, s.Fallback); err != nil {
		return scheme, err
	}
	if s.Tolerance != 0 && (s.Tolerance < minTolerance || s.Tolerance > MaxTolerance) {
		return scheme, tenants.Refused("/tolerance_seconds", "invalid_tolerance",
			"the tolerance must be 1 to 3600 seconds, or 0 for the provider's own")
	}
	if s.Response != nil {
		err = s.Response.check()
	}
	return scheme, err
}

// checkRoute refuses a channel that is not a template, and a fallback that is not a name or that the template cannot
// need.
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
		return tenants.Refused("/fallback", "invalid_channel",
			"the fallback must be the name of a channel: segments of a-z, 0-9, _ and -, joined by dots")
	case fallback != "" && route.Fixed():
		return tenants.Refused("/fallback", "invalid_channel",
			"the fallback must be empty if the channel has no placeholders: it would never be used")
	}
	return nil
}

func (s Source) row() tenants.Key { return tenants.Key{Tenant: s.Tenant, Kind: rowSources, Sort: s.ID} }

// puts returns the ops that write the source and the rows by which its URLs are found.
func (s Source) puts() []tenants.Op {
	ops := []tenants.Op{tenants.Put(s.row(), record.Encode(s), time.Time{}, tenants.Anything())}
	for _, t := range s.Tokens {
		ops = append(ops, tenants.Put(t.lookup(), record.Encode(lookupRecord{s.Tenant, s.ID, t.Expires}), t.Expires,
			tenants.Anything()))
	}
	return ops
}

// lookupRecord is the row by which the source of a URL is found.
type lookupRecord struct {
	Tenant  tenants.TenantID
	ID      string
	Expires time.Time
}

func (t Token) lookup() tenants.Key {
	return tenants.Key{Tenant: tenants.System, Kind: rowSource, Sort: t.Hash}
}

// Kinds returns the kinds of rows of this package that belong to a tenant.
func Kinds() []tenants.TenantKind {
	return []tenants.TenantKind{{Kind: rowSources, AtOnce: true, Lookups: lookupKeys}}
}

// lookupKeys returns the keys of the rows by which the URLs of the source in row are found.
func lookupKeys(row tenants.Row) (keys []tenants.Key, err error) {
	s, err := record.Decode[Source](row)
	for _, t := range s.Tokens {
		keys = append(keys, t.lookup())
	}
	return keys, err
}
