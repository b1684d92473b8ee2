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

// envSecret holds a signing secret. An argument would end up in the shell's history.
const envSecret = "HOOKCAST_SECRET"

// sign prints the headers that a provider would send with a body, and a curl command that sends the request.
func sign(ctx context.Context, sh *shell, args []string) error {
	f := sh.flags("sign")
	provider := f.String("provider", "", "`name` of the provider: github, stripe, standard-webhooks, …")
	secretFile := f.String("secret-file", "", "`file` with the signing secret, or with a private key in PEM if the "+
		"provider uses one (default: the variable "+envSecret+")")
	to := f.String("url", "http://localhost:3000/webhooks",
		"`URL` that the webhook is sent to; some providers include it in the signature")
	id := f.String("id", "", "`id` of the delivery (default: a new one if the provider sends ids)")
	typ := f.String("type", "", "the event's `type`, if the provider sends it in a header")
	media := f.String("content-type", "application/json", "media `type` of the body")
	rest, err := sh.parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return failed(exitUsage, "too many arguments: give one body, as a file or on standard input")
	}
	scheme, err := lookupScheme(*provider)
	if err != nil {
		return err
	}
	secret, err := sh.signingSecret(scheme, *secretFile)
	if bad, ok := errors.AsType[*signing.Error](err); ok {
		return failed(exitUsage, "the signing secret is not valid for %s: %s", scheme.Title, bad.Detail)
	}
	if err != nil {
		return err
	}
	file := strings.Join(rest, "")
	if file == "-" {
		file = ""
	}
	body, err := sh.payload(ctx, file, maxSign, "no provider sends a body of this size")
	if err != nil {
		return err
	}
	request := signing.Request{Method: "POST", URL: *to, Body: body}
	request.Header = map[string][]string{"Content-Type": {*media}}
	if scheme.Mark.Field != "" {
		text, err := scheme.Signature(secret, request, *id, time.Now())
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.stdout, "%s\nPut this signature into the field %s of the body.\n", text, scheme.Mark.Field)
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
	sh.printSigned(*to, header, file, body)
	return nil
}

func lookupScheme(provider string) (signing.Scheme, error) {
	scheme, ok := signing.Lookup(provider)
	if ok {
		return scheme, nil
	}
	var names []string
	for _, s := range signing.Schemes() {
		names = append(names, s.Name)
	}
	return scheme, failed(exitUsage, "-provider must be one of %s", strings.Join(names, ", "))
}

// printSigned prints the headers, and a curl command that sends them with the body to the URL. file is "" if the body
// has no file.
func (sh *shell) printSigned(to string, header map[string][]string, file string, body []byte) {
	line := "curl -sS " + quoted(to)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(sh.stdout, "%s: %s\n", name, printable(header[name][0]))
		line += " \\\n  -H " + quoted(name+": "+header[name][0])
	}
	if file != "" {
		line += " \\\n  --data-binary " + quoted("@"+file)
	} else if len(body) <= maxArgument && !strings.ContainsFunc(string(body), unpasteable) {
		line += " \\\n  --data-raw " + quoted(string(body))
	} else {
		line = "The body is too long for an argument, or contains bytes that cannot be pasted. For a curl command, " +
			"save it to a file and name the file."
	}
	fmt.Fprintf(sh.stdout, "\n%s\n", line)
}

// signingSecret reads the secret or the private key that the scheme signs with.
func (sh *shell) signingSecret(scheme signing.Scheme, file string) (signing.Secret, error) {
	if scheme.None() {
		return signing.Secret{}, nil
	}
	text := sh.env(envSecret)
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return signing.Secret{}, failed(exitUsage, "cannot read the signing secret: %w", err)
		}
		text = strings.TrimRight(string(b), "\r\n")
	}
	if text == "" {
		return signing.Secret{}, failed(exitUsage, "no signing secret: give it with -secret-file or in %s", envSecret)
	}
	block, _ := pem.Decode([]byte(text + "\n"))
	if block == nil {
		secret, err := scheme.ParseSecret(text)
		if err == nil && scheme.Mark.Algorithm.Public() {
			return secret, failed(exitUsage, "%s signs with a private key: give it in PEM (PKCS #8)", scheme.Title)
		}
		return secret, err
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return signing.Secret{}, failed(exitUsage,
			"the private key is not in PKCS #8: convert it with openssl pkcs8 -topk8 -nocrypt")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return signing.Secret{}, failed(exitUsage, "the private key has a type that cannot sign")
	}
	return scheme.Signer("", signer)
}

// maxArgument is the longest body, in bytes, that is printed as an argument. Linux accepts 128 KiB.
const maxArgument = 64 << 10

// unpasteable reports whether a terminal would act on the character or show a different one.
func unpasteable(c rune) bool {
	return c == utf8.RuneError || unicode.IsControl(c) && c != '\n' && c != '\t'
}

// quoted returns text as one word for a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
