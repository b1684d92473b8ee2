package signing

import (
	"slices"
	"time"
)

// Scheme is one provider's way to sign its webhooks: a row of the table, plain comparable data with nothing to share or
// to change behind a copy. Get one from [Lookup] or [Schemes]; for terms of a tenant's own, [Scheme.Customize].
type Scheme struct {
	Name  string // what a source calls it: "github"
	Title string // what people call it: "GitHub"
	Docs  string // the provider's page that the row follows

	// Mark is the signature that must be there. Only the algorithm Unverified lets everything pass; the zero Scheme, which
	// a failed Lookup gives, lets nothing pass.
	Mark Mark
	// Legacy are the deprecated signatures of the same request. They count only where Mark's header is absent
	// altogether and the source opted in (Options.AllowLegacy).
	Legacy [2]Mark
	// Separator splits the signature header into items, of which those with Mark's prefix are signatures, the one
	// with the Timestamp's prefix is the timestamp and all others (unknown versions) are ignored. Empty: the header is
	// exactly one signature.
	Separator string

	// Signed is the template of the bytes that the signature covers: literals and {id}, {timestamp}, {method}, {url},
	// {body}; the body exactly once.
	Signed    string
	Timestamp Timestamp
	Key       Key

	// ID, Type and Attempt say where a delivery's facts stand; the first place that has a usable value wins.
	ID      [2]Place
	Type    [2]Place
	Attempt Place
	// AttemptOffset is added to the number read at Attempt: 1 where the provider counts retries, not attempts.
	AttemptOffset int

	Handshake Handshake
	Retry     Retry
	// Custom says which of a tenant's own terms Customize takes.
	Custom Terms
}

// Mark is one signature in a header: where, and how it is written. The algorithm is the row's, never the request's.
type Mark struct {
	Header    string // in net/http's canonical spelling
	Prefix    string // what each signature begins with: "sha256=", "v1,"
	Algorithm Algorithm
	Encoding  Encoding
}

// Timestamp is when the provider says it signed. The zero value: the scheme has none, so a replay is caught only by the
// delivery's id.
type Timestamp struct {
	Header    string // in net/http's canonical spelling
	Prefix    string // the item of a signature header that is the timestamp: "t="
	Unit      time.Duration
	Tolerance time.Duration // how far from the receiver's clock, on either side, inclusive
}

// Key says how the text of a secret becomes the key of the MAC, and which texts cannot be one.
type Key struct {
	Encoding Encoding // Text: the key is the text itself; Hex, Base64: the key is what the text decodes to
	// Prefix is how the provider's secrets begin. With Text it is part of the key; otherwise it is taken off first,
	// and may be left out by the tenant.
	Prefix string
	// Mistaken are beginnings, parted by spaces, of other things of the provider that people paste here.
	Mistaken string
	Min, Max int  // bytes of the key
	Ours     bool // the tenant chooses the secret, so that Hookcast may make one; otherwise the provider issues it
}

// Place is where one fact of a delivery stands: in a header or in a field of a JSON body ("event.type"). The zero Place
// is nowhere.
type Place struct {
	Header string // in net/http's canonical spelling
	Field  string // member names from the top, joined by "."
}

// Handshake is a question that the provider asks by a signed request: where the field When of the JSON body is Equals,
// the field Echo is to be sent back. The zero value: none.
type Handshake struct {
	When, Equals, Echo string
}

// Retry is what is known of the provider's behaviour when it gets no 2xx. Facts for people and for how long a delivery id
// must be remembered; no check depends on them.
type Retry struct {
	Timeout  time.Duration // how long it waits for the answer; 0 unknown
	Attempts int           // how often it tries in all; 0 unknown, 1 never again
	Span     time.Duration // from the first attempt to the last; 0 unknown or none
	Note     string
	Source   string // the page that says so
}

// Terms is the set of a tenant's own terms that a scheme takes.
type Terms string

// What Customize takes.
const (
	FixedTerms    Terms = ""         // none: the provider has fixed everything
	IdentityTerms Terms = "identity" // where id and type stand
	AllTerms      Terms = "all"      // everything in Custom
)

// Encoding is how bytes are written as text.
type Encoding string

// The encodings. Decoding is strict: no white space, no missing or trailing bits, base64 with its padding.
const (
	Text   Encoding = "text"
	Hex    Encoding = "hex" // upper case is accepted
	Base64 Encoding = "base64"
)

// Lookup finds a scheme by its name. An unknown name is an unknown scheme: a caller must refuse it, never fall back to
// a scheme that verifies less.
func Lookup(name string) (Scheme, bool) {
	for i := range table {
		if table[i].Name == name {
			return table[i], true
		}
	}
	return Scheme{}, false
}

// Schemes gives every scheme, in the table's order, as a slice of the caller's own.
func Schemes() []Scheme { return slices.Clone(table[:]) }

// None says whether the scheme verifies nothing. Events that came this way are to be flagged.
func (s Scheme) None() bool { return s.Mark.Algorithm == Unverified }

// known says whether the scheme can verify; one that neither can nor is None refuses everything.
func (s Scheme) known() *Error {
	if s.Mark.Algorithm.size() == 0 {
		return fail(UnknownScheme, "there is no such scheme")
	}
	return nil
}

// SignsID says whether the delivery id is covered by the signature. Where it is not, who can replay a request can
// give it a new id.
func (s Scheme) SignsID() bool {
	return !s.None() && (s.signs(idPart) || s.ID[0].Field != "")
}
