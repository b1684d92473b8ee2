package signing

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"mime"
	"net/url"
	"slices"
	"strings"
)

// maxPairs is the largest number of pairs in a form that is sorted.
const maxPairs = 1000

// sortedForm returns the names and values of a form body, sorted by name, each value after its name. Another body is
// accepted only if it is empty, or if the query parameter named digest holds its hex SHA-256; the result is then
// empty.
//
// Nothing separates a name from its value, so different forms can have equal signatures ("ab=c", "a=bc"): this is the
// provider's format. A repeated pair is refused, because senders disagree on whether to count it once or twice.
func sortedForm(r Request, digest string) ([]byte, *Error) {
	if digest != "" {
		if sums, found := parameters(r.query(), digest); found {
			sum := sha256.Sum256(r.Body)
			want, err := hex.DecodeString(sums[0])
			if len(sums) != 1 || err != nil || subtle.ConstantTimeCompare(sum[:], want) != 1 {
				return nil, fail(BodyNotSigned, "the SHA-256 of the body is not the one in the query parameter "+digest)
			}
			return nil, nil
		}
	}
	if len(r.Body) == 0 {
		return nil, nil
	}
	if kind := r.values("Content-Type"); len(kind) != 1 || !isForm(kind[0]) {
		detail := "the signature covers a form, but the body is not a form"
		if digest != "" {
			detail += ", and the URL has no query parameter " + digest
		}
		return nil, fail(BodyNotSigned, detail)
	}
	pairs, ok := pairsOf(string(r.Body))
	if !ok {
		return nil, fail(BodyNotSigned, "the body is not a form of at most 1000 pairs")
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	var out []byte
	for i, p := range pairs {
		if i > 0 && p == pairs[i-1] {
			return nil, fail(BodyNotSigned, "the form repeats a pair")
		}
		out = append(append(out, p[0]...), p[1]...)
	}
	return out, nil
}

func isForm(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// pairsOf splits a form or a query into pairs, in order.
func pairsOf(form string) (pairs [][2]string, ok bool) {
	for pair := range strings.SplitSeq(form, "&") {
		if pair == "" {
			continue
		}
		if len(pairs) == maxPairs {
			return nil, false
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, false
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, false
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, true
}

// parameters returns every value of a name in a form or a query, none if it is malformed.
func parameters(form, name string) (values []string, found bool) {
	if !strings.Contains(form, "=") && !strings.Contains(form, name) {
		return nil, false
	}
	pairs, _ := pairsOf(form)
	for _, p := range pairs {
		if p[0] == name {
			values = append(values, p[1])
		}
	}
	return values, len(values) > 0
}
