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

// errSilent ends a stream that sent nothing for longer than the interval of its heartbeats allows.
var errSilent = errors.New("the stream fell silent, without even a heartbeat")

// explain explains in one line why a connection failed or ended, without the prefixes that Go adds.
func explain(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the name " + dns.Name + " has no address"
		}
		return "cannot look up the name " + dns.Name + ": " + dns.Err
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is not signed by an authority that this machine trusts (" + unknown.Error() + ")"
	}
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is for a different name (" + name.Error() + ")"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return "the certificate is not valid (" + invalid.Error() + ")"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "the server does not use TLS: try the address with http://"
	}
	switch {
	case errors.Is(err, errSilent):
		return errSilent.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "no program listens there (connection refused)"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, io.EOF):
		return "the connection was cut"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "the server cannot be reached from this network"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok { // without the URL, which may contain secrets
		return u.Err.Error()
	}
	return err.Error()
}
