package signing

import "time"

// table returns every scheme in display order. The arrays are never written to, and rows hold no pointers, so the
// results of Lookup and Schemes share nothing with them.
//
// A tolerance is the time during which a captured request can be replayed; the delivery id detects a replay within
// it. If a provider may repeat an old signature when it retries, the tolerance spans its retries: a lost event would
// be worse. A note says what the provider's documentation leaves open.
func table() [5][]Scheme {
	return [5][]Scheme{codeTable[:], paymentTable[:], commerceTable[:], messageTable[:], genericTable[:]}
}

const (
	// tolerance is the clock difference that Stripe, Slack and the Standard Webhooks libraries allow.
	tolerance = 5 * time.Minute
	day       = 24 * time.Hour

	unstated = "The provider does not document for how long it retries a failed delivery."
)
