package signing

import "time"

// table is every scheme, in the order in which people are shown them. Nobody writes to the arrays behind it, and a row
// holds no pointer, so that what Lookup and Schemes give out shares nothing with them.
//
// A tolerance says how long a captured request can be sent again; what comes again in that time is known by its delivery id. So where
// a provider may repeat an old signature when it retries, the row's tolerance spans its retries: a lost event would be worse. A note
// says what of a provider's behaviour its own pages leave open.
func table() [5][]Scheme {
	return [5][]Scheme{codeTable[:], paymentTable[:], commerceTable[:], messageTable[:], genericTable[:]}
}

const (
	// tolerance is what Stripe, Slack and the Standard Webhooks libraries allow between two clocks.
	tolerance = 5 * time.Minute
	day       = 24 * time.Hour

	unstated = "The provider's pages do not say for how long a failed delivery is tried again."
)
