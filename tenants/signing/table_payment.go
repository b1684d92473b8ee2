package signing

import "time"

// paymentTable holds providers of payments.
var paymentTable = [...]Scheme{
	{
		Name:      "stripe",
		Title:     "Stripe",
		Docs:      "https://docs.stripe.com/webhooks#verify-manually",
		Mark:      Mark{Header: "Stripe-Signature", Prefix: "v1=", Algorithm: HMACSHA256, Encoding: Hex},
		Separator: ",",
		Signed:    "{timestamp}.{body}",
		Timestamp: Timestamp{Header: "Stripe-Signature", Prefix: "t=", Unit: Seconds, Tolerance: tolerance},
		Key:       Key{Encoding: Text, Prefix: "whsec_", Mistaken: "sk_ rk_ pk_ we_", Min: 6, Max: 512},
		ID:        [2]Place{{Field: "id"}},
		Type:      [2]Place{{Field: "type"}},
		Retry: Retry{
			Span: 3 * day,
			Note: "Live events are retried for up to three days with exponential backoff, sandbox events three " +
				"times in a few hours.",
			Source: "https://docs.stripe.com/webhooks#retries",
		},
	},
	{
		Name:      "paypal",
		Title:     "PayPal",
		Docs:      "https://developer.paypal.com/api/rest/webhooks/rest/",
		Mark:      Mark{Header: "Paypal-Transmission-Sig", Algorithm: RSASHA256, Encoding: Base64},
		Signed:    "{header:Paypal-Transmission-Id}|{timestamp}|{secret}|{crc32}",
		Timestamp: Timestamp{Header: "Paypal-Transmission-Time", Unit: RFC3339, Tolerance: 3*day + tolerance},
		// The webhook's id, which PayPal includes in the signed bytes, so a webhook is valid for one listener.
		Key: Key{Encoding: Text, Mistaken: "WH- access_token$", Min: 10, Max: 64},
		Certificate: Pin{
			Header: "Paypal-Cert-Url", Hosts: "api.paypal.com api.sandbox.paypal.com", Path: "/v1/notifications/certs/",
			Names: "messageverificationcerts.paypal.com messageverificationcerts.sandbox.paypal.com",
		},
		ID:   [2]Place{{Field: "id"}},
		Type: [2]Place{{Field: "event_type"}},
		Retry: Retry{
			Attempts: 26, Span: 3 * day,
			Note: "Up to 25 retries in three days. The secret is the webhook's id. The signature covers a CRC-32 of " +
				"the body: " +
				"anyone who has seen one webhook could send another body under it, which would be marked as a " +
				"duplicate " +
				"with another body.",
			Source: "https://developer.paypal.com/api/rest/webhooks/rest/",
		},
	},
	{
		Name:   "square",
		Title:  "Square",
		Docs:   "https://developer.squareup.com/docs/webhooks/step3validate",
		Mark:   Mark{Header: "X-Square-Hmacsha256-Signature", Algorithm: HMACSHA256, Encoding: Base64},
		Legacy: [2]Mark{{Header: "X-Square-Signature", Algorithm: HMACSHA1, Encoding: Base64}},
		Signed: "{url}{body}",
		Key:    Key{Encoding: Text, Mistaken: "EAAA sq0", Min: 6, Max: 512},
		ID:     [2]Place{{Field: "event_id"}},
		Type:   [2]Place{{Field: "type"}},
		Retry: Retry{
			Timeout: 10 * time.Second, Span: day,
			Note:   "Retries for up to 24 hours; another edition of the same page says 72.",
			Source: "https://developer.squareup.com/docs/webhooks/troubleshooting",
		},
	},
	{
		Name:      "paddle",
		Title:     "Paddle",
		Docs:      "https://developer.paddle.com/webhooks/signature-verification",
		Mark:      Mark{Header: "Paddle-Signature", Prefix: "h1=", Algorithm: HMACSHA256, Encoding: Hex},
		Separator: ";",
		Signed:    "{timestamp}:{body}",
		Timestamp: Timestamp{Header: "Paddle-Signature", Prefix: "ts=", Unit: Seconds, Tolerance: tolerance},
		Key: Key{Encoding: Text, Mistaken: "pdl_live_apikey_ pdl_sdbx_apikey_ ntfset_ live_ test_", Min: 6,
			Max: 512},
		ID:   [2]Place{{Field: "event_id"}, {Field: "notification_id"}},
		Type: [2]Place{{Field: "event_type"}},
		Retry: Retry{
			Timeout: 5 * time.Second, Attempts: 61, Span: 3 * day,
			Note:   "Live events are retried up to 60 times in three days with exponential backoff.",
			Source: "https://developer.paddle.com/webhooks/respond-to-webhooks",
		},
	},
	{
		Name:  "adyen",
		Title: "Adyen (standard webhooks)",
		Docs:  "https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures",
		Mark:  Mark{Field: adyenItem + "additionalData.hmacSignature", Algorithm: HMACSHA256, Encoding: Base64},
		Signed: "{json:" + adyenItem + "pspReference}:{json:" + adyenItem + "originalReference}:" +
			"{json:" + adyenItem + "merchantAccountCode}:" +
			"{json:" + adyenItem + "merchantReference}:{json:" + adyenItem + "amount.value}:{json:" + adyenItem +
			"amount.currency}:" +
			"{json:" + adyenItem + "eventCode}:{json:" + adyenItem + "success}",
		Key:   Key{Encoding: Hex, Mistaken: "AQE", Min: 16, Max: 64},
		ID:    [2]Place{{Field: adyenItem + "pspReference+" + adyenItem + "eventCode"}},
		Type:  [2]Place{{Field: adyenItem + "eventCode"}},
		Retry: adyenRetry,
	},
	{
		Name:   "adyen-platform",
		Title:  "Adyen (platform webhooks)",
		Docs:   "https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures",
		Mark:   Mark{Header: "Hmacsignature", Algorithm: HMACSHA256, Encoding: Base64},
		Signed: "{body}",
		Key:    Key{Encoding: Hex, Mistaken: "AQE", Min: 16, Max: 64},
		ID:     [2]Place{{Body: true}},
		Type:   [2]Place{{Field: "type"}},
		Retry:  adyenRetry,
	},
	{
		Name:   "razorpay",
		Title:  "Razorpay",
		Docs:   "https://razorpay.com/docs/webhooks/validate-test/",
		Mark:   Mark{Header: "X-Razorpay-Signature", Algorithm: HMACSHA256, Encoding: Hex},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Mistaken: "rzp_", Min: 6, Max: 512, Ours: true},
		ID:     [2]Place{{Header: "X-Razorpay-Event-Id"}},
		Type:   [2]Place{{Field: "event"}},
		Retry: Retry{
			Span: day,
			Note: "Retries use exponential backoff; then the webhook is disabled. A manual replay is signed with " +
				"the secret of that time.",
			Source: "https://razorpay.com/docs/webhooks/",
		},
	},
}

// adyenItem is the only notification of a standard webhook. The format has an array, but a second element would be
// unsigned.
const adyenItem = "notificationItems.[only].NotificationRequestItem."

var adyenRetry = Retry{
	Timeout: 10 * time.Second, Span: 30 * day,
	Note: "Three quick attempts, then after 2, 5, 10, 15 and 30 min, 1, 2, 4 and 8 h, and every 8 h for up to 30 " +
		"days, in order.",
	Source: "https://docs.adyen.com/development-resources/webhooks/troubleshoot",
}
