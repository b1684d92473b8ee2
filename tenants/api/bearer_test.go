package api_test

import (
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/api"
)

func TestBearer(t *testing.T) {
	for name, c := range map[string]struct {
		values []string
		want   string
		code   string
	}{
		"one space":            {[]string{"Bearer x"}, "x", ""},
		"two spaces":           {[]string{"Bearer  x"}, "x", ""}, // 1*SP: RFC 9110 section 11.4, RFC 6750 section 2.1
		"another case":         {[]string{"bEARER x"}, "x", ""},
		"no header":            {nil, "", "credential_missing"},
		"an empty header":      {[]string{""}, "", "credential_malformed"},
		"no credential":        {[]string{"Bearer"}, "", "credential_malformed"},
		"spaces alone":         {[]string{"Bearer   "}, "", "credential_malformed"},
		"a tab":                {[]string{"Bearer\tx"}, "", "credential_malformed"},
		"a space and a tab":    {[]string{"Bearer \tx"}, "", "credential_malformed"},
		"a leading space":      {[]string{" Bearer x"}, "", "credential_malformed"},
		"two credentials":      {[]string{"Bearer x y"}, "", "credential_malformed"},
		"a list":               {[]string{"Bearer x, Bearer x"}, "", "credential_malformed"},
		"two headers":          {[]string{"Bearer x", "Bearer x"}, "", "credential_malformed"},
		"another scheme":       {[]string{"Basic x"}, "", "credential_malformed"},
		"a scheme's beginning": {[]string{"Bear x"}, "", "credential_malformed"},
	} {
		got, err := api.Bearer(c.values)
		if got != c.want || tenants.CodeOf(err) != c.code {
			t.Errorf("%s: got %q and code %q, want %q and %q", name, got, tenants.CodeOf(err), c.want, c.code)
		}
	}
}
