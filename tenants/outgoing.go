package tenants

import "time"

// Outgoing is one request to another party's server.
type Outgoing struct {
	Method string // "POST" for deliveries
	URL    string
	Header map[string][]string // canonical keys; complete except for those that the transport sets
	Body   []byte
}

// Answer is the result of an Outgoing.
type Answer struct {
	Status     int                 // 0 if there is no answer
	Header     map[string][]string // those that may be shown: no cookies, no credentials
	Body       []byte              // at most MaxAnswerBody; empty if the address was blocked
	Truncated  bool                // the body was longer
	RetryAfter time.Duration       // as the answer asked, not yet clamped; 0 if it did not
	Failure    Failure             // "" if a complete answer came
	Connected  bool                // a connection was made; if not, one quick second attempt is safe
	Took       time.Duration
}

// MaxAnswerBody is the number of bytes of an answer's body that are read and kept.
const MaxAnswerBody = 16 << 10

// Failure says why there is no answer, in a word that the tenant sees. It never tells what a blocked address answered.
type Failure string

// Reasons why there is no answer.
const (
	FailureURL      Failure = "url"      // the URL is not one that we send to
	FailureDNS      Failure = "dns"      // the host name has no address
	FailureBlocked  Failure = "blocked"  // the address is not one that we send to
	FailureConnect  Failure = "connect"  // connection refused, host unreachable, or too slow to accept
	FailureTLS      Failure = "tls"      // the handshake failed, or the certificate is invalid
	FailureTimeout  Failure = "timeout"  // connected, but no complete answer in time
	FailureReset    Failure = "reset"    // connected, then disconnected by the other side
	FailureResponse Failure = "response" // the answer is not HTTP, or its head is too large
	FailureCanceled Failure = "canceled" // we stopped it ourselves: it says nothing about the endpoint
)
