package signing_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

// The example of GitHub's documentation, and the same request with one byte of its body changed.
func ExampleScheme_Verify() {
	scheme, ok := signing.Lookup("github")
	if !ok {
		return // an unknown provider must be refused
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

// A request signed as Standard Webhooks prescribe; the receiver's Verify accepts it.
func ExampleScheme_Sign() {
	scheme, _ := signing.Lookup("standard-webhooks")
	secret, err := scheme.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Unix(1_700_000_000, 0)
	request := signing.Request{Method: "POST", URL: "https://example.com/hooks", Body: []byte(`{"type":"order.paid"}`)}
	request.Header, err = scheme.Sign(secret, request, "msg_1", now)
	fmt.Println(request.Header["Webhook-Id"], request.Header["Webhook-Timestamp"], err)

	verified, err := scheme.Verify(request, []signing.Secret{secret}, now, signing.Options{})
	fmt.Println(verified.DeliveryID, verified.Type, err)
	// Output:
	// [msg_1] [1700000000] <nil>
	// msg_1 order.paid <nil>
}

// A tenant's own terms that contradict themselves are refused with a reason that the tenant can read.
func ExampleDetail() {
	scheme, _ := signing.Lookup("hmac")
	_, err := scheme.Customize(signing.Custom{Separator: ","})
	fmt.Println(signing.Detail(err))
	// Output:
	// a separator needs a prefix, which tells signatures from other items
}
