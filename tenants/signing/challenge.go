package signing

import "net/http"

// maxEcho bounds what a handshake is answered with, in bytes.
const maxEcho = 512

// Reply is an answer to send as it is, with X-Content-Type-Options: nosniff.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
}

// Challenge gives the answer to the provider's handshake, if the request is one. v must be what [Scheme.Verify] returned
// for this request: an unsigned handshake gets no answer. What is sent back is printable ASCII of at most 512 bytes,
// as text/plain; a request that wants anything else echoed is no handshake.
func (s Scheme) Challenge(v Verified, r Request) (Reply, bool) {
	h := s.Handshake
	if h.Echo == "" || s.None() || v.Scheme != s.Name || v.Secret < 0 {
		return Reply{}, false
	}
	kind, found := jsonField(r.Body, h.When, maxEcho)
	if !found || kind != h.Equals {
		return Reply{}, false
	}
	echo, found := jsonField(r.Body, h.Echo, maxEcho)
	if !found || echo == "" || len(echo) > maxEcho || !printable(echo) {
		return Reply{}, false
	}
	return Reply{Status: http.StatusOK, ContentType: "text/plain; charset=utf-8", Body: []byte(echo)}, true
}
