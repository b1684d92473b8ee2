package signing_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

// The worked example of GitHub's documentation, and the same request with a byte of its body altered.
func ExampleScheme_Verify() {
	scheme, ok := signing.Lookup("github")
	if !ok {
		return // an unknown provider is refused, never let through
	}
	secret, err := scheme.ParseSecret("It's a Secret to Everybody")
	if err != nil {
		fmt.Println(err)
		return
	}
	request := signing.Request{
		Method: "POST",
		Header: map[string][]string{
			"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
			"X-Github-Delivery":   {"72d3162e-cc78-11e3-81ab-4c9367dc0958"},
			"X-Github-Event":      {"push"},
		},
		Body: []byte("Hello, World!"),
	}
	verified, err := scheme.Verify(request, []signing.Secret{secret}, time.Now(), signing.Options{})
	fmt.Println(verified.Type, verified.DeliveryID, err)

	request.Body = []byte("Hello, World?")
	_, err = scheme.Verify(request, []signing.Secret{secret}, time.Now(), signing.Options{})
	var refusal *signing.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Code)
	}
	fmt.Println(secret)
	// Output:
	// push 72d3162e-cc78-11e3-81ab-4c9367dc0958 <nil>
	// signature_mismatch
	// [secret]
}
