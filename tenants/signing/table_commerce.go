package signing

import "time"

// commerceTable holds shops and services for them.
var commerceTable = [...]Scheme{
	{
		Name:   "shopify",
		Title:  "Shopify",
		Docs:   "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
		Mark:   Mark{Header: "X-Shopify-Hmac-Sha256", Algorithm: HMACSHA256, Encoding: Base64},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Mistaken: "shpat_ shpca_ shppa_", Min: 6, Max: 512},
		ID:     [2]Place{{Header: "X-Shopify-Webhook-Id"}},
		Type:   [2]Place{{Header: "X-Shopify-Topic"}},
		Retry: Retry{
			Timeout: 5 * time.Second, Attempts: 8, Span: 4 * time.Hour,
			Note:   "After the last failure the subscription is removed.",
			Source: "https://shopify.dev/changelog/updates-to-webhook-retry-mechanism",
		},
	},
	{
		Name:   "woocommerce",
		Title:  "WooCommerce",
		Docs:   "https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks",
		Mark:   Mark{Header: "X-Wc-Webhook-Signature", Algorithm: HMACSHA256, Encoding: Base64},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Mistaken: "ck_ cs_", Min: 6, Max: 512, Ours: true},
		ID:     [2]Place{{Header: "X-Wc-Webhook-Delivery-Id"}},
		Type:   [2]Place{{Header: "X-Wc-Webhook-Topic"}},
		// The ping sent when a webhook is saved: a form with the webhook's number, without a signature.
		Handshakes: [2]Handshake{{Method: "POST", In: FormBody, When: "webhook_id", Echo: "webhook_id", Status: 200,
			ContentType: plainText}},
		Retry: Retry{
			Attempts: 1, Note: "The webhook is disabled after five failures in a row.",
			Source: "https://woocommerce.com/document/webhooks/",
		},
	},
	{
		Name:  "hubspot",
		Title: "HubSpot",
		Docs:  "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation",
		Mark:  Mark{Header: "X-Hubspot-Signature-V3", Algorithm: HMACSHA256, Encoding: Base64},
		Legacy: [2]Mark{
			{Header: "X-Hubspot-Signature", Algorithm: PlainSHA256, Encoding: Hex, Signed: "{secret}{body}"},
			{Header: "X-Hubspot-Signature", Algorithm: PlainSHA256, Encoding: Hex,
				Signed: "{secret}{method}{url}{body}"},
		},
		Signed:        "{method}{uri}{body}{timestamp}",
		Timestamp:     Timestamp{Header: "X-Hubspot-Request-Timestamp", Unit: Milliseconds, Tolerance: tolerance},
		Key:           Key{Encoding: Text, Mistaken: "pat-", Min: 6, Max: 512},
		ID:            [2]Place{{Field: "[0].eventId"}},
		Type:          [2]Place{{Field: "[0].subscriptionType"}},
		Attempt:       Place{Field: "[0].attemptNumber"},
		AttemptOffset: 1,
		Retry: Retry{
			Note: "One request may hold many events; id, type and attempt are those of the first. " +
				"The deprecated versions 1 and 2 are plain hashes: anyone who has seen one request could append to " +
				"its body. " +
				unstated,
			Source: "https://developers.hubspot.com/docs/api-reference/legacy/webhooks/guide",
		},
	},
	{
		Name:          "docusign",
		Title:         "DocuSign",
		Docs:          "https://developers.docusign.com/platform/webhooks/connect/validate/",
		Mark:          Mark{Header: "X-Docusign-Signature", Numbered: 100, Algorithm: HMACSHA256, Encoding: Base64},
		Signed:        "{body}",
		Key:           Key{Encoding: Text, Min: 6, Max: 512},
		ID:            [2]Place{{Field: "data.envelopeId+event"}},
		Type:          [2]Place{{Field: "event"}},
		Attempt:       Place{Field: "retryCount"},
		AttemptOffset: 1,
		Retry: Retry{
			Note: "One signature for each of the account's HMAC keys. An envelope's event may be repeated with " +
				"a newer body, which is marked as a duplicate. " + unstated,
			Source: "https://developers.docusign.com/platform/webhooks/connect/",
		},
	},
}
