package signing

import (
	"net/http"
	"slices"
	"strings"
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
	// Also is a second kind of signature, as good as Mark, with keys of its own kind. Which of the two is looked for the
	// source's secrets say, never the request.
	Also Way
	// Legacy are the deprecated signatures of the same request. They count only where Mark's header is absent
	// altogether and the source opted in (Options.AllowLegacy).
	Legacy [2]Mark
	// Separator splits the signature header into items, of which those with Mark's prefix are signatures, the one
	// with the Timestamp's prefix is the timestamp and all others (unknown versions) are ignored. Empty: the header is
	// exactly one signature.
	Separator string

	// Signed is the template of the bytes that the signature covers: see template.go. Empty with the algorithm Token, which
	// covers nothing.
	Signed string
	// Digest is the parameter of the address's query that holds the hex SHA-256 of a body which the template cannot cover,
	// because it is no form.
	Digest string
	// Ports says that the sender may leave the address's port out when it signs, or write it out.
	Ports       bool
	Timestamp   Timestamp
	Key         Key
	Certificate Pin

	// ID, Type and Attempt say where a delivery's facts stand; the first place that has a usable value wins.
	ID      [2]Place
	Type    [2]Place
	Attempt Place
	// AttemptOffset is added to the number read at Attempt: 1 where the provider counts retries, not attempts.
	AttemptOffset int

	Handshakes [2]Handshake
	// Probes says that the provider sends HEAD to see whether somebody is there.
	Probes bool
	Retry  Retry
	// Custom says which of a tenant's own terms Customize takes.
	Custom Terms
}

// Mark is one signature: where, and how it is written. The algorithm is the row's, never the request's.
type Mark struct {
	Header    string // in net/http's canonical spelling
	Field     string // instead of Header: a field of a JSON body
	Numbered  int    // the header comes up to this many times, with "-1", "-2", … behind its name; any one may be right
	Prefix    string // what each signature begins with: "sha256=", "v1,"
	Algorithm Algorithm
	Encoding  Encoding
	Signed    string // of a legacy mark that covers other bytes than Scheme.Signed; "": the same
}

// Way is a kind of signature with its kind of key. The secret's text tells the kind: it begins with Key.Prefix.
type Way struct {
	Mark Mark
	Key  Key
}

// Timestamp is when the provider says it signed. The zero value: the scheme has none, so a replay is caught only by the
// delivery's id.
type Timestamp struct {
	Header    string // in net/http's canonical spelling
	Prefix    string // the item of a signature header that is the timestamp: "t="
	Field     string // instead of Header: a field of a JSON body that the signature covers
	Unit      Unit
	Tolerance time.Duration // how far from the receiver's clock, on either side, inclusive
}

// Unit is how an instant is written.
type Unit string

// The units.
const (
	Seconds      Unit = "s"       // Unix time
	Milliseconds Unit = "ms"      // Unix time
	RFC3339      Unit = "rfc3339" // date and time of day with an offset
)

// Key says how the text of a secret becomes the key, and which texts cannot be one. With an asymmetric algorithm it is
// the sender's public key.
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

// Pin says which certificates may sign. The zero value: none does, the key is the source's secret.
type Pin struct {
	Header string // that names the certificate's address, in net/http's canonical spelling
	Hosts  string // which may serve it, parted by spaces
	Path   string // what the address's path begins with; one segment follows
	Names  string // of which the certificate must bear one, parted by spaces
}

// Place is where one fact of a delivery stands. The zero Place is nowhere.
type Place struct {
	Header string // in net/http's canonical spelling
	// Field is a field of a JSON body: member names from the top, joined by "."; "[0]" is an array's first element.
	// Several fields joined by "+" are one fact that none of them is alone.
	Field string
	// Body makes a fact of the body itself, its SHA-256: for providers who give no id and whose equal bodies are one delivery.
	Body bool
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

// Lookup finds a scheme by its name. An unknown name is an unknown scheme: a caller must refuse it, never fall back to
// a scheme that verifies less.
func Lookup(name string) (Scheme, bool) {
	for _, part := range table() {
		for i := range part {
			if part[i].Name == name {
				return part[i], true
			}
		}
	}
	return Scheme{}, false
}

// Schemes gives every scheme, in the order in which people are shown them, as a slice of the caller's own.
func Schemes() []Scheme {
	parts := table()
	return slices.Concat(parts[:]...)
}

// None says whether the scheme verifies nothing. Events that came this way are to be flagged.
func (s Scheme) None() bool { return s.Mark.Algorithm == Unverified }

// known says whether the scheme can verify; one that neither can nor is None refuses everything.
func (s Scheme) known() *Error {
	if !s.Mark.Algorithm.known() {
		return fail(UnknownScheme, "there is no such scheme")
	}
	return nil
}

// SignsID says whether the delivery id is covered by the signature. Where it is not, who can replay a request can
// give it a new id.
func (s Scheme) SignsID() bool {
	return !s.None() && (s.signs(idPart) || s.ID[0].signed(s))
}

// signed says whether what stands at the place is covered by the signature.
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

// Methods gives the methods that a source of the scheme takes.
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
