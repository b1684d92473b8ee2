package proxy_test

import (
	"context"
	"fmt"

	"github.com/hookcast/hookcast/tenants/proxy"
)

// A request with placeholders gets values, and the key in it is removed from what callers are shown.
func ExampleProxies_Once() {
	proxies := proxy.NewProxies(nil, nil, nil, everywhere{}) // nothing is stored here
	call, err := proxies.Once(context.Background(), "ten_acme", proxy.Spec{
		URL:     "https://api.example.com/v1/{{city}}/forecast?days={{days}}",
		Headers: map[string]string{"Authorization": "Bearer sk-0123456789abcdef"},
		Parameters: map[string]proxy.Parameter{
			"city": {Kind: proxy.ParameterText},
			"days": {Kind: proxy.ParameterInteger, Min: 1, Max: 14},
		},
	}, map[string]string{"city": "Zürich/West", "days": "3"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(call.Request.Method, call.Request.URL)
	fmt.Println(call.Redact.Text("401: the key sk-0123456789abcdef is unknown"))
	// Output:
	// GET https://api.example.com/v1/Z%C3%BCrich%2FWest/forecast?days=3
	// 401: the key [redacted] is unknown
}
