package main

import (
	"net"
	"net/url"
)

// ownHosts returns the names of this server, to which it must not post: other ports of this machine may belong to
// others.
func ownHosts(publicURL string) []string {
	u, err := url.Parse(publicURL)
	if err != nil {
		return nil
	}
	own := []string{u.Host}
	if u.Port() == "" {
		return own // every port of the name
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip.IsLoopback() || ip.IsUnspecified() {
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			own = append(own, net.JoinHostPort(name, u.Port()))
		}
	}
	return own
}
