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

// maxPairs bounds the pairs of a form that is sorted.
const maxPairs = 1000

// sortedForm gives the names and values of a form body, sorted, each value behind its name. A body that is no form counts
// only where it is empty, or where the address's query has the hex SHA-256 of it under the name digest; nothing of it is given then.
//
// Since nothing parts a name from its value, forms that differ can be signed alike ("ab=c", "a=bc"): that is the provider's.
// A pair that stands twice is refused, which senders are known to count once or twice.
func sortedForm(r Request, digest string) ([]byte, *Error) {
	if digest != "" {
		if sums, found := parameters(r.query(), digest); found {
			sum := sha256.Sum256(r.Body)
			want, err := hex.DecodeString(sums[0])
			if len(sums) != 1 || err != nil || subtle.ConstantTimeCompare(sum[:], want) != 1 {
				return nil, fail(BodyNotSigned, "the body is not the one whose SHA-256 stands in the address's "+digest)
			}
			return nil, nil
		}
	}
	if len(r.Body) == 0 {
		return nil, nil
	}
	if kind := r.values("Content-Type"); len(kind) != 1 || !isForm(kind[0]) {
		detail := "the signature covers a form, and the body is none"
		if digest != "" {
			detail += "; nor does the address have " + digest
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
			return nil, fail(BodyNotSigned, "the form has one pair twice")
		}
		out = append(append(out, p[0]...), p[1]...)
	}
	return out, nil
}

func isForm(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// pairsOf takes a form or a query apart, in its order.
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

// parameters gives every value of a name in a form or a query. One that cannot be taken apart has none.
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
