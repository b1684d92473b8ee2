package api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Bounds of the parameter limit.
const (
	defaultLimit = 20
	maxLimit     = 100
)

// page is the part of a list that a request asks for: up to limit rows after a position, "" for the start.
type page struct {
	after string
	limit int
}

// limitOf reads ?limit=. Errors: kind Invalid, code invalid_limit.
func limitOf(q url.Values) (int, error) {
	switch values := q["limit"]; len(values) {
	case 0:
		return defaultLimit, nil
	case 1:
		if n, err := strconv.Atoi(values[0]); err == nil && n >= 1 && n <= maxLimit && strconv.Itoa(n) == values[0] {
			return n, nil
		}
	}
	return 0, tenants.Errorf(tenants.Invalid, "invalid_limit",
		"the limit must be a whole number from 1 to %d, given once", maxLimit)
}

// pageOf reads ?limit= and ?cursor= of a list. open decodes a cursor to a position.
func pageOf(q url.Values, open func(cursor string) (string, error)) (p page, err error) {
	if p.limit, err = limitOf(q); err != nil {
		return page{}, err
	}
	switch values := q["cursor"]; len(values) {
	case 0:
	case 1:
		if p.after, err = open(values[0]); err != nil {
			err = invalidCursor("the cursor was not issued by this list")
		}
	default:
		err = invalidCursor("the cursor must be given once")
	}
	return p, err
}

func invalidCursor(detail string) error {
	return tenants.Errorf(tenants.Invalid, "invalid_cursor", "%s", detail)
}

// credentialParameters are parameter names that people use for credentials. A URL is no place for them, because it
// gets logged.
var credentialParameters = [...]string{"key", "api_key", "apikey", "token", "access_token", "secret", "authorization"}

// queryOf parses the query and refuses one that contains a credential.
func queryOf(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	if len(r.URL.RawQuery) > 8<<10 {
		return nil, tenants.Errorf(tenants.Invalid, "invalid_query", "the query is longer than 8 KiB")
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, tenants.Errorf(tenants.Invalid, "invalid_query", "the query is malformed")
	}
	for name, values := range q {
		if isCredential(name, values) {
			return nil, tenants.Errorf(tenants.Invalid, "credential_in_query",
				"a credential belongs in the Authorization header, not in the URL; replace this one, as it may have "+
					"been logged")
		}
	}
	return q, nil
}

func isCredential(name string, values []string) bool {
	for _, n := range credentialParameters {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	for _, v := range values {
		if strings.HasPrefix(v, "hk_") {
			return true
		}
	}
	return false
}

// filters reads the query parameters that narrow a list. A value that cannot match anything is refused rather than
// answered with an empty list; err is about the first of them that was read: kind Invalid, code invalid_filter.
type filters struct {
	query url.Values
	err   error
}

// text returns the value of a parameter that is valid and given once, "" if it is absent. is says what is valid.
func (f *filters) text(name, is string, valid func(string) bool) string {
	values := f.query[name]
	if len(values) == 0 {
		return ""
	}
	if f.err == nil && (len(values) > 1 || !valid(values[0])) {
		f.err = tenants.Errorf(tenants.Invalid, "invalid_filter", "the parameter %s must be %s, given once", name, is)
	}
	return values[0]
}

func (f *filters) id(name, is, prefix string) string {
	return f.text(name, is, func(id string) bool { return tenants.ValidID(prefix, id) })
}

// time returns a time as in RFC 3339, zero if it is absent.
func (f *filters) time(name string) (at time.Time) {
	f.text(name, "a time as in RFC 3339, such as 2026-01-02T15:04:05Z", func(value string) (ok bool) {
		var err error
		at, err = time.Parse(time.RFC3339Nano, value)
		return err == nil
	})
	return at
}
