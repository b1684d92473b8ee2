package endtoend

import (
	"math/rand/v2"
	"net"
	"strconv"
)

// FreeAddr returns an address of this machine that was free a moment ago, for a program that has to be told where to listen. Its port is below
// those that systems give out by themselves: between this moment and the one in which it is listened on, and while a program that was killed
// is started anew, dozens of connections are made, and other tests listen on port 0.
func FreeAddr() string {
	for {
		addr := "127.0.0.1:" + strconv.Itoa(10_000+rand.N(22_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
}
