package api

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
)

func TestALimitIsAPlainNumberFromOneToAHundred(t *testing.T) {
	for query, want := range map[string]int{
		"": 20, "limit=1": 1, "limit=100": 100,
		"limit=0": 0, "limit=-1": 0, "limit=101": 0, "limit=1e9": 0, "limit=NaN": 0, "limit=": 0, "limit=+5": 0,
		"limit=05": 0, "limit=%20 5": 0,
		"limit=1&limit=2": 0, "limit=99999999999999999999": 0,
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := limitOf(q)
		if got != want || (err != nil) != (want == 0) || err != nil && tenants.CodeOf(err) != "invalid_limit" {
			t.Errorf("%q: %d, %v; want %d", query, got, err, want)
		}
	}
}

func TestAQueryWithACredentialIsRefused(t *testing.T) {
	for query, code := range map[string]string{
		"a=b":                             "",
		"after=hk":                        "",
		"token=x":                         "credential_in_query",
		"Token=x":                         "credential_in_query",
		"api_key=x":                       "credential_in_query",
		"access_token=x":                  "credential_in_query",
		"anything=hk_live_x":              "credential_in_query",
		"limit=1&x=a&x=hk_live_x":         "credential_in_query",
		"a=%zz":                           "invalid_query",
		"a;b":                             "invalid_query",
		"a=" + strings.Repeat("b", 8<<10): "invalid_query",
	} {
		_, err := queryOf(httptest.NewRequest("GET", "/v1/keys?"+query, nil))
		if tenants.CodeOf(err) != code || err != nil && tenants.KindOf(err) != tenants.Invalid {
			t.Errorf("%.40q: %v, want %q", query, err, code)
		}
	}
}
