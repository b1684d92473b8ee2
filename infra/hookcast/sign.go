package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants/signing"
)

// envSecret holds a signing secret: an argument would be in the shell's history.
const envSecret = "HOOKCAST_SECRET"

// sign prints the headers that a provider would send with a body, and a line that sends it.
func sign(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("sign")
	provider := f.String("provider", "", "`name` of the scheme: github, stripe, standard-webhooks, …")
	secretFile := f.String("secret-file", "", "`file` with the signing secret, or with the private key in PEM where the provider signs with one; without it, the variable "+envSecret)
	to := f.String("url", "http://localhost:3000/webhooks", "`URL` that the webhook goes to; some providers sign it along")
	id := f.String("id", "", "`id` of the delivery; a new one where the scheme has a header for it")
	typ := f.String("type", "", "the event's `type`, where the scheme has a header for it")
	media := f.String("content-type", "application/json", "of the body")
	rest, err := sh.parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return failed(exitUsage, "one body at a time: a file, or standard input")
	}
	scheme, ok := signing.Lookup(*provider)
	if !ok {
		var names []string
		for _, s := range signing.Schemes() {
			names = append(names, s.Name)
		}
		return failed(exitUsage, "-provider is one of %s", strings.Join(names, ", "))
	}
	secret, err := sh.signingSecret(scheme, *secretFile)
	if bad, ok := errors.AsType[*signing.Error](err); ok {
		return failed(exitUsage, "the signing secret is none of %s: %s", scheme.Title, bad.Detail)
	}
	if err != nil {
		return err
	}
	file := ""
	if len(rest) == 1 && rest[0] != "-" {
		file = rest[0]
	}
	body, err := sh.payload(ctx, file, maxSign, "no provider posts as much")
	if err != nil {
		return err
	}
	request := signing.Request{Method: "POST", URL: *to, Header: map[string][]string{"Content-Type": {*media}}, Body: body}
	if scheme.Mark.Field != "" {
		text, err := scheme.Signature(secret, request, *id, time.Now())
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.stdout, "%s\nThis signature stands in the body, in its field %s: write it there.\n", text, scheme.Mark.Field)
		return nil
	}
	if *id == "" && scheme.ID[0].Header != "" {
		*id = fmt.Sprintf("test-%d", time.Now().UnixNano())
	}
	header, err := scheme.Sign(secret, request, *id, time.Now())
	if err != nil {
		return err
	}
	header["Content-Type"] = []string{*media}
	if name := scheme.Type[0].Header; *typ != "" && name != "" {
		header[name] = []string{*typ}
	}
	names := slices.Sorted(maps.Keys(header))
	line := "curl -sS " + quoted(*to)
	for _, name := range names {
		fmt.Fprintf(sh.stdout, "%s: %s\n", name, shown(header[name][0]))
		line += " \\\n  -H " + quoted(name+": "+header[name][0])
	}
	if file != "" {
		line += " \\\n  --data-binary " + quoted("@"+file)
	} else if len(body) <= maxArgument && !strings.ContainsFunc(string(body), unpasteable) {
		line += " \\\n  --data-raw " + quoted(string(body))
	} else {
		line = "The body is too long for an argument, or has bytes that cannot be pasted: keep it in a file, and name that, for a line with curl."
	}
	fmt.Fprintf(sh.stdout, "\n%s\n", line)
	return nil
}

// signingSecret reads the secret, or the private key, that the scheme signs with.
func (sh *shell) signingSecret(scheme signing.Scheme, file string) (signing.Secret, error) {
	if scheme.None() {
		return signing.Secret{}, nil
	}
	text := sh.env(envSecret)
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return signing.Secret{}, failed(exitUsage, "the signing secret cannot be read: %w", err)
		}
		text = strings.TrimRight(string(b), "\r\n")
	}
	if text == "" {
		return signing.Secret{}, failed(exitUsage, "give the signing secret with -secret-file or in %s", envSecret)
	}
	block, _ := pem.Decode([]byte(text + "\n"))
	if block == nil {
		secret, err := scheme.ParseSecret(text)
		if err == nil && scheme.Mark.Algorithm.Public() {
			return secret, failed(exitUsage, "%s signs with a private key, which is wanted here in PEM (PKCS #8)", scheme.Title)
		}
		return secret, err
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return signing.Secret{}, failed(exitUsage, "the private key is not in PKCS #8: openssl pkcs8 -topk8 -nocrypt makes it so")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return signing.Secret{}, failed(exitUsage, "the private key is of a kind that does not sign")
	}
	return scheme.Signer("", signer)
}

// maxArgument is how long a body may be that a line has as an argument: Linux takes 128 KiB, and people less.
const maxArgument = 64 << 10

// unpasteable tells whether a terminal would do something with a character, or show another one.
func unpasteable(c rune) bool {
	return c == utf8.RuneError || unicode.IsControl(c) && c != '\n' && c != '\t'
}

// quoted is text as one word of a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
