package proxy

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// Redactor removes a request's secrets from texts, in every form in which they may be written.
type Redactor struct {
	all  *strings.Replacer // values of headers, and keys in the query and in a form
	keys *strings.Replacer // those that are certainly keys
}

const redacted = "[redacted]" // in place of a secret

// Lengths in bytes below which a value is not removed. An error may lose a word too much. An event is a customer's
// data, in which "on" is hardly a secret.
const (
	minSecret   = 4
	minKey      = 16
	minNamedKey = 8 // if its name says that it is a key
)

// openHeaders are headers whose values are not secrets: they say which answer is wanted.
const openHeaders = " accept accept-language cache-control prefer priority referer "

// keyNames are parts of the names of headers and parameters that hold a key.
var keyNames = [...]string{"auth", "key", "token", "secret", "cookie", "password", "credential", "signature", "session"}

// newRedactor returns a Redactor for a request.
func newRedactor(rawURL string, headers map[string][]string, body []byte, bodyMediaType string) *Redactor {
	var all, keys []string
	add := func(name, value string) {
		for _, v := range partsOf(value) {
			if len(v) >= minSecret {
				all = append(all, forms(v)...)
			}
			if len(v) >= minKey || len(v) >= minNamedKey && namesKey(name) {
				keys = append(keys, forms(v)...)
			}
		}
	}
	for name, values := range headers {
		if strings.Contains(openHeaders, " "+strings.ToLower(name)+" ") || name == "Content-Type" {
			continue
		}
		for _, v := range values {
			add(name, v)
		}
	}
	addKeys := func(query string) { // other parameters say what is asked for, and the answer may well contain them
		parameters, _ := url.ParseQuery(query)
		for name, values := range parameters {
			for _, v := range values {
				if namesKey(name) {
					add(name, v)
				}
			}
		}
	}
	if u, err := url.Parse(rawURL); err == nil {
		addKeys(u.RawQuery)
	}
	if bodyMediaType == mediaTypeForm {
		addKeys(string(body))
	}
	return &Redactor{replacer(all), replacer(keys)}
}

// Text removes every secret from the text of an error.
func (r *Redactor) Text(s string) string { return r.all.Replace(s) }

// Event removes keys from an event.
func (r *Redactor) Event(s string) string { return r.keys.Replace(s) }

func namesKey(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(keyNames[:], func(part string) bool { return strings.Contains(name, part) })
}

// partsOf returns a value and the parts that are secrets by themselves: x in "Bearer x", and the name with the
// password, and the password, in "Basic x".
func partsOf(value string) []string {
	parts := []string{value}
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok {
		return parts
	}
	parts = append(parts, strings.TrimSpace(rest))
	if strings.EqualFold(scheme, "Basic") {
		if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil {
			_, password, _ := strings.Cut(string(b), ":")
			parts = append(parts, string(b), password)
		}
	}
	return parts
}

// forms returns the forms in which a value may be written.
func forms(v string) []string {
	b := []byte(v)
	return []string{
		v, url.QueryEscape(v), url.PathEscape(v), inQuotes(v), base64.StdEncoding.EncodeToString(b),
		base64.RawStdEncoding.EncodeToString(b), base64.URLEncoding.EncodeToString(b),
	}
}

// replacer returns a Replacer of the values. The longest come first, because a value may be part of another.
func replacer(values []string) *strings.Replacer {
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, v, redacted)
	}
	return strings.NewReplacer(pairs...)
}
