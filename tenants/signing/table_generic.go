package signing

import "time"

// standardPublicKey is the second kind of signature of Standard Webhooks: Ed25519.
func standardPublicKey(header string) Way {
	return Way{
		Mark: Mark{Header: header, Prefix: "v1a,", Algorithm: Ed25519, Encoding: Base64},
		Key:  Key{Encoding: Base64, Prefix: "whpk_", Min: 32, Max: 32},
	}
}

// genericTable holds formats that many senders share, and those that a tenant describes.
var genericTable = [...]Scheme{
	{
		Name:      "standard-webhooks",
		Title:     "Standard Webhooks",
		Docs:      "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		Mark:      Mark{Header: "Webhook-Signature", Prefix: "v1,", Algorithm: HMACSHA256, Encoding: Base64},
		Also:      standardPublicKey("Webhook-Signature"),
		Separator: " ",
		Signed:    "{id}.{timestamp}.{body}",
		Timestamp: Timestamp{Header: "Webhook-Timestamp", Unit: Seconds, Tolerance: tolerance},
		Key:       Key{Encoding: Base64, Prefix: "whsec_", Mistaken: "whsk_", Min: 24, Max: 64, Ours: true},
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
		Mark:      Mark{Header: "Svix-Signature", Prefix: "v1,", Algorithm: HMACSHA256, Encoding: Base64},
		Also:      standardPublicKey("Svix-Signature"),
		Separator: " ",
		Signed:    "{id}.{timestamp}.{body}",
		Timestamp: Timestamp{Header: "Svix-Timestamp", Unit: Seconds, Tolerance: tolerance},
		Key:       Key{Encoding: Base64, Prefix: "whsec_", Mistaken: "whsk_", Min: 24, Max: 75},
		ID:        [2]Place{{Header: "Svix-Id"}},
		Type:      [2]Place{{Field: "type"}},
		Retry: Retry{
			Timeout: 15 * time.Second, Attempts: 8, Span: 27*time.Hour + 35*time.Minute + 5*time.Second,
			Note:   "Retries follow after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h.",
			Source: "https://docs.svix.com/retries",
		},
	},
	{
		Name:   "hmac",
		Title:  "A scheme of your own",
		Docs:   "https://www.rfc-editor.org/rfc/rfc2104",
		Mark:   Mark{Header: "X-Signature", Algorithm: HMACSHA256, Encoding: Hex},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Min: 6, Max: 512, Ours: true},
		Custom: AllTerms,
		Retry:  Retry{Note: "Retries depend on the sender."},
	},
	{
		Name:   "none",
		Title:  "No verification",
		Mark:   Mark{Algorithm: Unverified},
		Custom: IdentityTerms,
		Retry:  Retry{Note: "Retries depend on the sender."},
	},
}
