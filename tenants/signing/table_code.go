package signing

import "time"

// gitlabNote is about both schemes of GitLab.
const gitlabNote = "After four failures in a row the webhook is disabled for a minute, doubling up to 24 hours; " +
	"after 40, permanently."

// codeTable holds providers for code and project work.
var codeTable = [...]Scheme{
	{
		Name:  "github",
		Title: "GitHub",
		Docs:  "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
		Mark:  Mark{Header: "X-Hub-Signature-256", Prefix: "sha256=", Algorithm: HMACSHA256, Encoding: Hex},
		Legacy: [2]Mark{
			{Header: "X-Hub-Signature", Prefix: "sha1=", Algorithm: HMACSHA1, Encoding: Hex},
			{Header: "X-Hub-Signature", Prefix: "sha512=", Algorithm: HMACSHA512, Encoding: Hex},
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
		Name:  "gitlab",
		Title: "GitLab (secret token)",
		Docs:  "https://docs.gitlab.com/user/project/integrations/webhooks/",
		Mark:  Mark{Header: "X-Gitlab-Token", Algorithm: Token, Encoding: Text},
		Key:   Key{Encoding: Text, Min: 8, Max: 512, Mistaken: "glpat- gldt- glrt- glcbt- whsec_", Ours: true},
		ID:    [2]Place{{Header: "Idempotency-Key"}},
		Type:  [2]Place{{Header: "X-Gitlab-Event"}},
		Retry: Retry{
			Timeout: 10 * time.Second,
			Note:    "The token authenticates the sender but not the content; prefer gitlab-signing. " + gitlabNote,
			Source:  "https://docs.gitlab.com/user/project/integrations/webhooks/",
		},
	},
	{
		Name:      "gitlab-signing",
		Title:     "GitLab (signing token)",
		Docs:      "https://docs.gitlab.com/user/project/integrations/webhooks/",
		Mark:      Mark{Header: "Webhook-Signature", Prefix: "v1,", Algorithm: HMACSHA256, Encoding: Base64},
		Separator: " ",
		Signed:    "{id}.{timestamp}.{body}",
		Timestamp: Timestamp{Header: "Webhook-Timestamp", Unit: Seconds, Tolerance: tolerance},
		Key: Key{
			Encoding: Base64, Prefix: "whsec_", Mistaken: "glpat- gldt- glrt- glcbt- whsk_ whpk_",
			Min: 24, Max: 64, Ours: true,
		},
		ID:   [2]Place{{Header: "Webhook-Id"}},
		Type: [2]Place{{Header: "X-Gitlab-Event"}},
		Retry: Retry{
			Timeout: 10 * time.Second,
			Note:    gitlabNote,
			Source:  "https://docs.gitlab.com/user/project/integrations/webhooks/",
		},
	},
	{
		Name:    "bitbucket",
		Title:   "Bitbucket",
		Docs:    "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
		Mark:    Mark{Header: "X-Hub-Signature", Prefix: "sha256=", Algorithm: HMACSHA256, Encoding: Hex},
		Signed:  "{body}",
		Key:     Key{Encoding: Text, Min: 6, Max: 512, Mistaken: "ATBB ATCTT", Ours: true},
		ID:      [2]Place{{Header: "X-Request-Uuid"}, {Header: "X-Request-Id"}},
		Type:    [2]Place{{Header: "X-Event-Key"}},
		Attempt: Place{Header: "X-Attempt-Number"},
		Retry: Retry{
			Note:   "X-Attempt-Number counts the attempts. " + unstated,
			Source: "https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/",
		},
	},
	{
		Name:      "linear",
		Title:     "Linear",
		Docs:      "https://linear.app/developers/webhooks",
		Mark:      Mark{Header: "Linear-Signature", Algorithm: HMACSHA256, Encoding: Hex},
		Signed:    "{body}",
		Timestamp: Timestamp{Field: "webhookTimestamp", Unit: Milliseconds, Tolerance: time.Minute},
		Key:       Key{Encoding: Text, Mistaken: "lin_api_ lin_oauth_", Min: 6, Max: 512},
		ID:        [2]Place{{Header: "Linear-Delivery"}},
		Type:      [2]Place{{Header: "Linear-Event"}, {Field: "type"}},
		Retry: Retry{
			Timeout: 5 * time.Second,
			Note:    "Retries come at growing intervals; webhookTimestamp is the time of sending. " + unstated,
			Source:  "https://linear.app/developers/webhooks",
		},
	},
	{
		Name:   "typeform",
		Title:  "Typeform",
		Docs:   "https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
		Mark:   Mark{Header: "Typeform-Signature", Prefix: "sha256=", Algorithm: HMACSHA256, Encoding: Base64},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Mistaken: "tfp_", Min: 6, Max: 512, Ours: true},
		ID:     [2]Place{{Field: "event_id"}},
		Type:   [2]Place{{Field: "event_type"}},
		Retry: Retry{
			Note:   "Retries follow 429, 408, 423 and 5xx; the webhook is disabled if too many fail. " + unstated,
			Source: "https://www.typeform.com/developers/webhooks/",
		},
	},
	{
		Name:   "calendly",
		Title:  "Calendly",
		Docs:   "https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures",
		Mark:   Mark{Header: "Calendly-Webhook-Signature", Prefix: "v1=", Algorithm: HMACSHA256, Encoding: Hex},
		Signed: "{timestamp}.{body}", Separator: ",",
		Timestamp: Timestamp{Header: "Calendly-Webhook-Signature", Prefix: "t=", Unit: Seconds,
			Tolerance: 3 * time.Minute},
		Key:  Key{Encoding: Text, Min: 6, Max: 512, Ours: true},
		ID:   [2]Place{{Body: true}},
		Type: [2]Place{{Field: "event"}},
		Retry: Retry{
			Timeout: 15 * time.Second, Note: "10 s to connect, 15 s to answer. " + unstated,
			Source: "https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures",
		},
	},
	{
		Name:   "dropbox",
		Title:  "Dropbox",
		Docs:   "https://www.dropbox.com/developers/reference/webhooks",
		Mark:   Mark{Header: "X-Dropbox-Signature", Algorithm: HMACSHA256, Encoding: Hex},
		Signed: "{body}",
		Key:    Key{Encoding: Text, Mistaken: "sl.", Min: 6, Max: 512},
		Handshakes: [2]Handshake{{
			Method: "GET", In: Query, When: "challenge", Echo: "challenge", Status: 200, ContentType: plainText,
			Answer: echoPart,
		}},
		Retry: Retry{
			Timeout: 10 * time.Second,
			Note: "A notification names only the accounts whose files changed, so two may be equal: none is " +
				"treated as a duplicate. " + unstated,
			Source: "https://www.dropbox.com/developers/reference/webhooks",
		},
	},
	{
		Name:  "microsoft-graph",
		Title: "Microsoft Graph",
		Docs:  "https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
		Mark:  Mark{Field: "value.[each].clientState", Algorithm: Token, Encoding: Text},
		Key:   Key{Encoding: Text, Min: 8, Max: 128, Ours: true},
		ID:    [2]Place{{Field: "value.[0].id"}},
		Type:  [2]Place{{Field: "value.[0].lifecycleEvent"}, {Field: "value.[0].changeType"}},
		Handshakes: [2]Handshake{{
			Method: "POST", In: Query, When: "validationToken", Echo: "validationToken", Status: 200,
			ContentType: plainText, Answer: echoPart,
		}},
		Retry: Retry{
			Timeout: 10 * time.Second,
			Note: "clientState authenticates the sender but not the content. A request may hold many notifications, " +
				"all " +
				"of which must have it. " + unstated,
			Source: "https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
		},
	},
}
