package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// errSilent is why a stream is left from which nothing has come for longer than it can be alive.
var errSilent = errors.New("nothing came any more, not even a heartbeat")

// why says in one line why a connection was not made, or ended, without what Go writes around it.
func why(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the name " + dns.Name + " has no address"
		}
		return "the name " + dns.Name + " cannot be looked up: " + dns.Err
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is signed by nobody whom this machine trusts (" + unknown.Error() + ")"
	}
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is for another name (" + name.Error() + ")"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return "the certificate does not hold (" + invalid.Error() + ")"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "no TLS is spoken there: is the address one with http://?"
	}
	switch {
	case errors.Is(err, errSilent):
		return errSilent.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there (connection refused)"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection was cut"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way to it from this network"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok { // without the URL, which may hold what is nobody's business
		return u.Err.Error()
	}
	return err.Error()
}
