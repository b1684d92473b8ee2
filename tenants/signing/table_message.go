package signing

import "time"

// messageTable holds providers of messages between people.
var messageTable = [...]Scheme{
	{
		Name:          "slack",
		Title:         "Slack",
		Docs:          "https://docs.slack.dev/authentication/verifying-requests-from-slack",
		Mark:          Mark{Header: "X-Slack-Signature", Prefix: "v0=", Algorithm: HMACSHA256, Encoding: Hex},
		Signed:        "v0:{timestamp}:{body}",
		Timestamp:     Timestamp{Header: "X-Slack-Request-Timestamp", Unit: Seconds, Tolerance: tolerance},
		Key:           Key{Encoding: Text, Mistaken: "xoxb- xoxp- xoxa- xapp- xoxe", Min: 6, Max: 512},
		ID:            [2]Place{{Field: "event_id"}},
		Type:          [2]Place{{Field: "event.type"}, {Field: "type"}},
		Attempt:       Place{Header: "X-Slack-Retry-Num"},
		AttemptOffset: 1,
		Handshakes: [2]Handshake{{
			Method: "POST", In: JSONBody, Signed: true, When: "type", Equals: "url_verification", Echo: "challenge",
			Status: 200, ContentType: plainText, Answer: echoPart,
		}},
		Retry: Retry{
			Timeout: 3 * time.Second, Attempts: 4, Span: 6 * time.Minute,
			Note:   "Retries follow at once, after one minute and after five.",
			Source: "https://docs.slack.dev/apis/events-api/#retries",
		},
	},
	{
		Name:      "discord",
		Title:     "Discord",
		Docs:      "https://docs.discord.com/developers/events/webhook-events",
		Mark:      Mark{Header: "X-Signature-Ed25519", Algorithm: Ed25519, Encoding: Hex},
		Signed:    "{timestamp}{body}",
		Timestamp: Timestamp{Header: "X-Signature-Timestamp", Unit: Seconds, Tolerance: 15 * time.Minute},
		Key:       Key{Encoding: Hex, Min: 32, Max: 32},
		ID:        [2]Place{{Body: true}},
		Type:      [2]Place{{Field: "event.type"}, {Field: "type"}},
		Handshakes: [2]Handshake{
			{Method: "POST", In: JSONBody, Signed: true, When: "type", Equals: "0", Unless: "event.type", Status: 204},
			{
				Method: "POST", In: JSONBody, Signed: true, When: "type", Equals: "1", Unless: "event.type",
				Status: 200, ContentType: "application/json", Answer: `{"type":1}`,
			},
		},
		Retry: Retry{
			Timeout: 3 * time.Second, Span: 10 * time.Minute,
			Note: "The secret is the application's public key. Discord sends bad signatures on purpose, and removes " +
				"an endpoint that accepts one.",
			Source: "https://docs.discord.com/developers/events/webhook-events",
		},
	},
	{
		Name:      "zoom",
		Title:     "Zoom",
		Docs:      "https://developers.zoom.us/docs/api/webhooks/",
		Mark:      Mark{Header: "X-Zm-Signature", Prefix: "v0=", Algorithm: HMACSHA256, Encoding: Hex},
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: Timestamp{Header: "X-Zm-Request-Timestamp", Unit: Seconds, Tolerance: tolerance},
		Key:       Key{Encoding: Text, Min: 6, Max: 512},
		ID:        [2]Place{{Body: true}},
		Type:      [2]Place{{Field: "event"}},
		Handshakes: [2]Handshake{{
			Method: "POST", In: JSONBody, Signed: true, When: "event", Equals: "endpoint.url_validation",
			Echo:   "payload.plainToken",
			Status: 200, ContentType: "application/json", Answer: `{"plainToken":"{echo}","encryptedToken":"{mac}"}`,
		}},
		Retry: Retry{
			Timeout: 3 * time.Second, Attempts: 4, Span: 85 * time.Minute,
			Note: "Retries follow after 5 min, 20 min more and 60 min more. The endpoint is validated again every " +
				"72 hours.",
			Source: "https://developers.zoom.us/blog/webhook-delays/",
		},
	},
	{
		Name:   "twilio",
		Title:  "Twilio",
		Docs:   "https://www.twilio.com/docs/usage/security#validating-requests",
		Mark:   Mark{Header: "X-Twilio-Signature", Algorithm: HMACSHA1, Encoding: Base64},
		Signed: "{url}{form}", Digest: "bodySHA256", Ports: true,
		Key:  Key{Encoding: Text, Mistaken: "AC SK", Min: 32, Max: 64},
		ID:   [2]Place{{Header: "I-Twilio-Idempotency-Token"}},
		Type: [2]Place{{Field: "[0].type"}},
		Retry: Retry{
			Timeout: 15 * time.Second,
			Note: "The secret is the account's auth token. The signature covers the URL, with its query, and the " +
				"fields of a " +
				"form. The number of retries is the tenant's choice, in the URL's fragment (#rc=).",
			Source: "https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides",
		},
	},
	{
		Name:   "sendgrid",
		Title:  "SendGrid",
		Docs:   "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
		Mark:   Mark{Header: "X-Twilio-Email-Event-Webhook-Signature", Algorithm: ECDSAP256, Encoding: Base64},
		Signed: "{timestamp}{body}",
		Timestamp: Timestamp{Header: "X-Twilio-Email-Event-Webhook-Timestamp", Unit: Seconds,
			Tolerance: day + tolerance},
		Key:  Key{Encoding: Base64, Mistaken: "SG.", Min: 80, Max: 120},
		ID:   [2]Place{{Field: "[0].sg_event_id"}},
		Type: [2]Place{{Field: "[0].event"}},
		Retry: Retry{
			Note: "The secret is the webhook's verification key, a public key. One request may hold many events; id " +
				"and " +
				"type are those of the first. " + unstated,
			Source: "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event",
		},
	},
	{
		Name:      "mailgun",
		Title:     "Mailgun",
		Docs:      "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
		Mark:      Mark{Field: "signature.signature", Algorithm: HMACSHA256, Encoding: Hex},
		Signed:    "{json:signature.timestamp}{json:signature.token}",
		Timestamp: Timestamp{Field: "signature.timestamp", Unit: Seconds, Tolerance: 9 * time.Hour},
		Key:       Key{Encoding: Text, Mistaken: "pubkey-", Min: 6, Max: 512},
		ID:        [2]Place{{Field: "signature.token"}},
		Type:      [2]Place{{Field: "event-data.event"}},
		Retry: Retry{
			Attempts: 7, Span: 8 * time.Hour,
			Note: "Retries follow after 5, 10 and 15 min, 1, 2 and 4 h; none after 406. The signature covers a " +
				"timestamp " +
				"and a token, but not the event: anyone who has seen one webhook could send another event under it, " +
				"which would be marked as a duplicate with another body.",
			Source: "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries",
		},
	},
	{
		Name:   "intercom",
		Title:  "Intercom",
		Docs:   "https://developers.intercom.com/docs/webhooks/webhook-notifications",
		Mark:   Mark{Header: "X-Hub-Signature", Prefix: "sha1=", Algorithm: HMACSHA1, Encoding: Hex},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Mistaken: "dG9rO", Min: 6, Max: 512},
		ID:     [2]Place{{Field: "id"}},
		Type:   [2]Place{{Field: "topic"}},
		Probes: true,
		Retry: Retry{
			Note:   "The secret is the app's client secret. " + unstated,
			Source: "https://developers.intercom.com/docs/webhooks",
		},
	},
	{
		Name:   "meta",
		Title:  "Meta (Facebook, Instagram, WhatsApp, Messenger)",
		Docs:   "https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
		Mark:   Mark{Header: "X-Hub-Signature-256", Prefix: "sha256=", Algorithm: HMACSHA256, Encoding: Hex},
		Legacy: [2]Mark{{Header: "X-Hub-Signature", Prefix: "sha1=", Algorithm: HMACSHA1, Encoding: Hex}},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Mistaken: "EAA", Min: 6, Max: 512},
		ID:     [2]Place{{Body: true}},
		Type:   [2]Place{{Field: "object"}},
		Handshakes: [2]Handshake{{
			Method: "GET", In: Query, When: "hub.mode", Equals: "subscribe", Token: "hub.verify_token",
			Echo:   "hub.challenge",
			Status: 200, ContentType: plainText, Answer: echoPart,
		}},
		Retry: Retry{
			Note: "The secret is the app secret. One request may hold many changes. Retries follow at once, then " +
				"less and less often. " + unstated,
			Source: "https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
		},
	},
	{
		Name:  "twitter",
		Title: "X (Twitter)",
		Docs:  "https://docs.x.com/x-api/webhooks/quickstart",
		Mark: Mark{Header: "X-Twitter-Webhooks-Signature", Prefix: "sha256=", Algorithm: HMACSHA256,
			Encoding: Base64},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Mistaken: "AAAAAAAAAAAAAAAAAAAAA", Min: 6, Max: 512},
		ID:     [2]Place{{Body: true}},
		Handshakes: [2]Handshake{{
			Method: "GET", In: Query, When: "crc_token", Echo: "crc_token", Status: 200,
			ContentType: "application/json",
			Answer:      `{"response_token":"sha256={mac}"}`,
		}},
		Retry: Retry{
			Timeout: 3 * time.Second,
			Note:    "The secret is the app's API secret key. The endpoint is validated again every hour. " + unstated,
			Source:  "https://docs.x.com/x-api/webhooks/introduction",
		},
	},
}
