package ws

import "fmt"

// Code says why a connection is closed (RFC 6455 section 7.4.1).
type Code uint16

// Codes that a server here sends.
const (
	Normal      Code = 1000
	GoingAway   Code = 1001
	Malformed   Code = 1002 // a frame breaks the protocol's rules
	Unsupported Code = 1003 // an unsupported type of data
	NotUTF8     Code = 1007
	Policy      Code = 1008
	TooBig      Code = 1009

	noStatus Code = 1005 // stands for a close frame without a code; never sent
)

// sendable reports whether a peer may send c: the codes that the protocol or IANA's registry defines, and those for
// libraries and applications.
func (c Code) sendable() bool {
	return 1000 <= c && c <= 1003 || 1007 <= c && c <= 1014 || 3000 <= c && c <= 4999
}

// Error is a client's violation of the protocol, with the code that it is told.
type Error struct {
	Code   Code
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("ws: %d %s", e.Code, e.Reason) }

func malformed(reason string) error { return &Error{Malformed, reason} }
