package signing

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Scheme describes how one provider signs its webhooks: a row of the table, plain comparable data without pointers.
// Get one from [Lookup] or [Schemes]; apply a tenant's own terms with [Scheme.Customize].
type Scheme struct {
	Name  string // as configured in a source: "github"
	Title string // for display: "GitHub"
	Docs  string // the provider's documentation

	// Mark is the required signature. Only the algorithm Unverified accepts every request; the zero Scheme, which a
	// failed Lookup returns, accepts none.
	Mark Mark
	// Also is an alternative to Mark with its own type of key. The source's secrets decide which of the two is
	// expected, never the request.
	Also Way
	// Legacy holds deprecated signatures of the same request. They count only if Mark's header is absent and the
	// source opted in (Options.AllowLegacy).
	Legacy [2]Mark
	// Separator splits the signature header into items. Those with Mark's prefix are signatures, the one with the
	// Timestamp's prefix is the timestamp, and all others (unknown versions) are ignored. If empty, the header is
	// exactly one signature.
	Separator string

	// Signed is the template of the bytes that the signature covers; see template.go. It is empty for the algorithm
	// Token, which covers nothing.
	Signed string
	// Digest names the query parameter that holds the hex SHA-256 of a body that is not a form, which the template
	// cannot cover.
	Digest string
	// Ports allows the sender to omit the URL's port when it signs, or to write out the default port.
	Ports       bool
	Timestamp   Timestamp
	Key         Key
	Certificate Pin

	// ID, Type and Attempt are the places of a delivery's metadata; the first place with a usable value wins.
	ID      [2]Place
	Type    [2]Place
	Attempt Place
	// AttemptOffset is added to the number read at Attempt: 1 if the provider counts retries, not attempts.
	AttemptOffset int

	Handshakes [2]Handshake
	// Probes says that the provider sends HEAD to check that the endpoint exists.
	Probes bool
	Retry  Retry
	// Custom says which terms of a tenant's own Customize accepts.
	Custom Terms
}

// Mark describes one signature: its place and its form. The algorithm comes from the table, never from the request.
type Mark struct {
	Header    string // in net/http's canonical spelling
	Field     string // instead of Header: a field of a JSON body
	Numbered  int    // the header may repeat up to this many times, as NAME-1, NAME-2, …; any one may match
	Prefix    string // text before each signature: "sha256=", "v1,"
	Algorithm Algorithm
	Encoding  Encoding
	Signed    string // template of a legacy mark that covers other bytes than Scheme.Signed; "" means the same
}

// Way is a kind of signature with its type of key. A secret that begins with Key.Prefix selects it.
type Way struct {
	Mark Mark
	Key  Key
}

// Timestamp describes the time of signing. With the zero value the scheme has none, and only the delivery id detects
// a replay.
type Timestamp struct {
	Header    string // in net/http's canonical spelling
	Prefix    string // prefix of the timestamp within the signature header: "t="
	Field     string // instead of Header: a field of a JSON body that the signature covers
	Unit      Unit
	Tolerance time.Duration // largest distance from the receiver's clock in either direction, inclusive
}

// Unit names the way in which a time is written.
type Unit string

// The units of a timestamp.
const (
	Seconds      Unit = "s"       // Unix time
	Milliseconds Unit = "ms"      // Unix time
	RFC3339      Unit = "rfc3339" // date and time of day with an offset
)

// Key describes how a secret's text encodes the key, and which texts are refused. For an asymmetric algorithm it is
// the sender's public key.
type Key struct {
	Encoding Encoding // Text: the key is the text itself; Hex, Base64: the key is the decoded text
	// Prefix begins the provider's secrets. With Text it is part of the key; otherwise it is removed before decoding,
	// and optional.
	Prefix string
	// Mistaken lists, separated by spaces, prefixes of the provider's other credentials that people paste by mistake.
	Mistaken string
	Min, Max int  // of the key, in bytes
	Ours     bool // the tenant chooses the secret, so Hookcast may generate one; otherwise the provider issues it
}

// Pin says which certificates may sign. The zero value means none: the key is the source's secret.
type Pin struct {
	Header string // holds the certificate's URL; in net/http's canonical spelling
	Hosts  string // allowed hosts of the URL, separated by spaces
	Path   string // prefix of the URL's path; one segment follows
	Names  string // names, separated by spaces, of which the certificate must have one
}

// Place is the location of one item of a delivery's metadata. The zero Place is nowhere.
type Place struct {
	Header string // in net/http's canonical spelling
	// Field is a path in a JSON body: member names joined by "."; "[0]" is the first element of an array. Several
	// paths joined by "+" form one value.
	Field string
	// Body uses the SHA-256 of the body, for providers that send no id: equal bodies are one delivery.
	Body bool
}

// Retry describes the provider's behavior when it does not get a 2xx status. It is for display, and for how long a
// delivery id must be remembered; no check depends on it.
type Retry struct {
	Timeout  time.Duration // time limit for the answer; 0 if unknown
	Attempts int           // attempts in total; 0 if unknown, 1 if it never retries
	Span     time.Duration // from the first attempt to the last; 0 if unknown or none
	Note     string
	Source   string // documentation of the above
}

// Terms is the set of a tenant's own terms that a scheme accepts.
type Terms string

// The values of [Scheme].Custom.
const (
	FixedTerms    Terms = ""         // none: the provider defines everything
	IdentityTerms Terms = "identity" // the places of id and type
	AllTerms      Terms = "all"      // every field of Custom
)

// Lookup returns the scheme of that name. If ok is false the caller must refuse the name, never fall back to a scheme
// that verifies less.
func Lookup(name string) (_ Scheme, ok bool) {
	for _, part := range table() {
		for i := range part {
			if part[i].Name == name {
				return part[i], true
			}
		}
	}
	return Scheme{}, false
}

// Schemes returns every scheme in display order, in a new slice.
func Schemes() []Scheme {
	parts := table()
	return slices.Concat(parts[:]...)
}

// None reports whether the scheme verifies nothing. Events received this way must be flagged.
func (s Scheme) None() bool { return s.Mark.Algorithm == Unverified }

// known returns an error unless the scheme can verify. A scheme that is neither known nor None refuses everything.
func (s Scheme) known() *Error {
	if !s.Mark.Algorithm.known() {
		return fail(UnknownScheme, "the scheme is unknown")
	}
	return nil
}

// SignsID reports whether the signature covers the delivery id. If it does not, a replayed request can carry a new id.
func (s Scheme) SignsID() bool {
	return !s.None() && (s.signs(idPart) || s.ID[0].signed(s))
}

// signed reports whether the signature covers the value at the place.
func (p Place) signed(s Scheme) bool {
	if p.Body {
		return s.Covers() == Whole
	}
	if p.Field == "" {
		return false
	}
	for field := range strings.SplitSeq(p.Field, "+") {
		if s.Covers() != Whole && !s.signs(fieldPart(field)) {
			return false
		}
	}
	return true
}

// Methods returns the HTTP methods that a source of the scheme accepts.
func (s Scheme) Methods() []string {
	methods := []string{http.MethodPost}
	for _, h := range s.Handshakes {
		if h.Method == http.MethodGet {
			methods = append(methods, http.MethodGet)
			break
		}
	}
	if s.Probes {
		methods = append(methods, http.MethodHead)
	}
	return methods
}
