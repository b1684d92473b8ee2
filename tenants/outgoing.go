package tenants

import "time"

// Outgoing is one request to somebody else's server.
type Outgoing struct {
	Method string // "POST" for deliveries
	URL    string
	Header map[string][]string // canonical keys; complete but for what the transport owns
	Body   []byte
}

// Answer is what came of an Outgoing.
type Answer struct {
	Status     int                 // 0 where there was none
	Header     map[string][]string // those that may be shown: no cookie, no credential
	Body       []byte              // at most MaxAnswerBody; empty where the address was blocked
	Truncated  bool                // there was more
	RetryAfter time.Duration       // as the answer asked, not yet clamped; 0: it did not
	Failure    Failure             // "" where a whole answer came
	Connected  bool                // a connection was made: where not, one quick second try is safe
	Took       time.Duration
}

// MaxAnswerBody is how much of an answer's body is read and kept.
const MaxAnswerBody = 16 << 10

// Failure says why there is no answer, in a word that is shown to the tenant. It never says what a blocked address had to say.
type Failure string

const FailureURL Failure = "url" // the URL cannot be posted to

const FailureDNS Failure = "dns" // the name has no address

const FailureBlocked Failure = "blocked" // its address is none that may be posted to

const FailureConnect Failure = "connect" // refused, unreachable, or too slow to accept

const FailureTLS Failure = "tls" // no handshake, or a certificate that does not hold

const FailureTimeout Failure = "timeout" // connected, and no whole answer in time

const FailureReset Failure = "reset" // connected, and then cut

const FailureResponse Failure = "response" // what came is no HTTP, or too large a head

const FailureCanceled Failure = "canceled" // we gave up ourselves: it says nothing about the endpoint
