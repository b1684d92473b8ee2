package signing

import "time"

// table is every scheme, in the order in which people are shown them. Nobody writes to it, and a row holds no pointer, so
// that what Lookup and Schemes give out shares nothing with it.
var table = [...]Scheme{
	{
		Name:  "github",
		Title: "GitHub",
		Docs:  "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
		Mark:  Mark{"X-Hub-Signature-256", "sha256=", HMACSHA256, Hex},
		Legacy: [2]Mark{
			{"X-Hub-Signature", "sha1=", HMACSHA1, Hex},
			{"X-Hub-Signature", "sha512=", HMACSHA512, Hex},
		},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Min: 6, Max: 512, Mistaken: "ghp_ gho_ ghs_ ghu_ github_pat_", Ours: true},
		ID:     [2]Place{{Header: "X-Github-Delivery"}},
		Type:   [2]Place{{Header: "X-Github-Event"}},
		Retry: Retry{
			Timeout: 10 * time.Second, Attempts: 1,
			Note:   "A failed delivery is redelivered by hand or through the API, under the same delivery id.",
			Source: "https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries",
		},
	},
	{
		Name:      "stripe",
		Title:     "Stripe",
		Docs:      "https://docs.stripe.com/webhooks#verify-manually",
		Mark:      Mark{"Stripe-Signature", "v1=", HMACSHA256, Hex},
		Separator: ",",
		Signed:    "{timestamp}.{body}",
		Timestamp: Timestamp{"Stripe-Signature", "t=", time.Second, tolerance},
		Key:       Key{Encoding: Text, Prefix: "whsec_", Mistaken: "sk_ rk_ pk_ we_", Min: 6, Max: 512},
		ID:        [2]Place{{Field: "id"}},
		Type:      [2]Place{{Field: "type"}},
		Retry: Retry{
			Span:   3 * 24 * time.Hour,
			Note:   "Live events for up to three days with exponential backoff; sandbox events three times in a few hours.",
			Source: "https://docs.stripe.com/webhooks#retries",
		},
	},
	{
		Name:   "shopify",
		Title:  "Shopify",
		Docs:   "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
		Mark:   Mark{"X-Shopify-Hmac-Sha256", "", HMACSHA256, Base64},
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
		Name:          "slack",
		Title:         "Slack",
		Docs:          "https://docs.slack.dev/authentication/verifying-requests-from-slack",
		Mark:          Mark{"X-Slack-Signature", "v0=", HMACSHA256, Hex},
		Signed:        "v0:{timestamp}:{body}",
		Timestamp:     Timestamp{"X-Slack-Request-Timestamp", "", time.Second, tolerance},
		Key:           Key{Encoding: Text, Mistaken: "xoxb- xoxp- xoxa- xapp- xoxe", Min: 6, Max: 512},
		ID:            [2]Place{{Field: "event_id"}},
		Type:          [2]Place{{Field: "event.type"}, {Field: "type"}},
		Attempt:       Place{Header: "X-Slack-Retry-Num"},
		AttemptOffset: 1,
		Handshake:     Handshake{When: "type", Equals: "url_verification", Echo: "challenge"},
		Retry: Retry{
			Timeout: 3 * time.Second, Attempts: 4, Span: 6 * time.Minute,
			Note:   "Tried again at once, after one minute and after five.",
			Source: "https://docs.slack.dev/apis/events-api/#retries",
		},
	},
	{
		Name:      "standard-webhooks",
		Title:     "Standard Webhooks",
		Docs:      "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		Mark:      Mark{"Webhook-Signature", "v1,", HMACSHA256, Base64},
		Separator: " ",
		Signed:    "{id}.{timestamp}.{body}",
		Timestamp: Timestamp{"Webhook-Timestamp", "", time.Second, tolerance},
		Key:       Key{Encoding: Base64, Prefix: "whsec_", Mistaken: "whsk_ whpk_", Min: 24, Max: 64, Ours: true},
		ID:        [2]Place{{Header: "Webhook-Id"}},
		Type:      [2]Place{{Field: "type"}},
		Retry: Retry{
			Attempts: 10, Span: 75*time.Hour + 35*time.Minute + 5*time.Second,
			Note:   "The specification's example; each sender has its own schedule.",
			Source: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		},
	},
	{
		Name:      "svix",
		Title:     "Svix",
		Docs:      "https://docs.svix.com/receiving/verifying-payloads/how-manual",
		Mark:      Mark{"Svix-Signature", "v1,", HMACSHA256, Base64},
		Separator: " ",
		Signed:    "{id}.{timestamp}.{body}",
		Timestamp: Timestamp{"Svix-Timestamp", "", time.Second, tolerance},
		Key:       Key{Encoding: Base64, Prefix: "whsec_", Mistaken: "whsk_ whpk_", Min: 24, Max: 75},
		ID:        [2]Place{{Header: "Svix-Id"}},
		Type:      [2]Place{{Field: "type"}},
		Retry: Retry{
			Timeout: 15 * time.Second, Attempts: 8, Span: 27*time.Hour + 35*time.Minute + 5*time.Second,
			Note:   "Again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h.",
			Source: "https://docs.svix.com/retries",
		},
	},
	{
		Name:   "hmac",
		Title:  "Generic HMAC",
		Docs:   "https://www.rfc-editor.org/rfc/rfc2104",
		Mark:   Mark{"X-Signature", "", HMACSHA256, Hex},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Min: 6, Max: 512, Ours: true},
		Custom: AllTerms,
		Retry:  Retry{Note: "Whatever the sender does."},
	},
	{
		Name:   "none",
		Title:  "No verification",
		Mark:   Mark{Algorithm: Unverified},
		Custom: IdentityTerms,
		Retry:  Retry{Note: "Whatever the sender does."},
	},
}

// tolerance is what Stripe, Slack and the Standard Webhooks libraries allow between two clocks.
const tolerance = 5 * time.Minute
