package proxy

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// Redactor cuts a proxy's secrets out of what is shown, however they are written there.
type Redactor struct {
	all  *strings.Replacer // every value of a header and of the query
	keys *strings.Replacer // those of them that are keys
}

// redacted stands in a secret's place.
const redacted = "[redacted]"

// Bounds of what is cut out. Of an error nothing is lost with a word too much; an event is somebody's data, in which "on" may be no secret.
const (
	minSecret   = 4
	minKey      = 16
	minNamedKey = 8 // where the header's name says that it is a key
)

// openHeaders say what kind of answer is wanted; their values are no secrets.
const openHeaders = " accept accept-language cache-control prefer priority referer "

// keyNames are parts of names of what holds a key.
var keyNames = [...]string{"auth", "key", "token", "secret", "cookie", "password", "credential", "signature", "session"}

// newRedactor makes a Redactor of a request whose holes are filled.
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
	if u, err := url.Parse(rawURL); err == nil {
		for name, values := range u.Query() {
			for _, v := range values {
				if namesKey(name) { // other values of a query are what is asked for, and may well be in the answer
					add(name, v)
				}
			}
		}
	}
	if bodyMediaType == mediaTypeForm {
		if form, err := url.ParseQuery(string(body)); err == nil {
			for name, values := range form {
				for _, v := range values {
					if namesKey(name) {
						add(name, v)
					}
				}
			}
		}
	}
	return &Redactor{replacer(all), replacer(keys)}
}

// Text cuts every value of the request's headers out of what explains an error.
func (r *Redactor) Text(s string) string { return r.all.Replace(s) }

// Event cuts keys out of an event.
func (r *Redactor) Event(s string) string { return r.keys.Replace(s) }

func namesKey(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(keyNames[:], func(part string) bool { return strings.Contains(name, part) })
}

// partsOf returns a header's value and what in it is a secret by itself: "Bearer x" holds x, and "Basic x" holds a name and a password.
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

// forms are the ways in which a value can be written.
func forms(v string) []string {
	return []string{v, url.QueryEscape(v), url.PathEscape(v), inQuotes(v), base64.StdEncoding.EncodeToString([]byte(v)),
		base64.RawStdEncoding.EncodeToString([]byte(v)), base64.URLEncoding.EncodeToString([]byte(v))}
}

// replacer replaces the longest first: a value may be part of another.
func replacer(values []string) *strings.Replacer {
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, v, redacted)
	}
	return strings.NewReplacer(pairs...)
}
