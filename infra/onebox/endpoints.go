package main

import (
	"net"
	"net/url"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/egress"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/filter"
	"github.com/hookcast/hookcast/tenants/keyring"
)

// openEndpoints makes the endpoints, and what they are posted to by. With -allow-private they need not prove their URLs.
func (b *box) openEndpoints(vault tenants.Vault, deployment *keyring.Ring) error {
	filters, err := filter.New()
	if err != nil {
		return err
	}
	b.reach = egress.New(egress.Options{AllowPrivate: b.c.allowPrivate, OwnHosts: ownHosts(b.c.publicURL)})
	b.endpoints = endpoint.NewEndpoints(b.db.Table(), b.accounts, vault, deployment, endpoint.Options{
		Filter: filters, Destinations: b.reach, Challenge: !b.c.allowPrivate,
	})
	return nil
}

// ownHosts are the names of this server, which nothing is posted to: on this machine other ports may be anybody's.
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
