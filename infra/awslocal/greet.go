package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// greet prints the addresses of everything, and lines to paste into a shell.
func (c config) greet(w io.Writer) {
	fmt.Fprintf(w, `Hookcast's AWS form serves on this machine until Ctrl-C, which deletes all stored data
  API and webhooks  http://%s
  streams           http://%s
  operator's key    %s
  logs              %s

Sign up, and create a source that GitHub could post to:

%s

Watch its channel on a node:

%s

Send it a signed webhook:

%s

`, c.api, strings.Join(c.streams, ", http://"), filepath.Join(c.data, "operator.key"), filepath.Join(c.data, "logs"),
		indent(c.signupLines()), indent(c.streamLine()), indent(c.webhookLines()))
}

// The lines are for one shell, one group after the other: each uses the variables of the groups before it.

func (c config) signupLines() string {
	const fromJSON = `| sed 's/.*"%s":"\([^"]*\)".*/\1/')`
	return fmt.Sprintf(`key=$(curl -sS http://%s/v1/signup -H 'Content-Type: application/json' \
  -d '{"name":"Shop","email":"shop@example.com"}' `+fromJSON+`
secret=$(openssl rand -hex 16)
url=$(curl -sS http://%s/v1/sources -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
  -d '{"name":"GitHub","provider":"github","secret":"'$secret'","channel":"orders"}' `+fromJSON,
		c.api, "secret", c.api, "url")
}

func (c config) streamLine() string {
	return fmt.Sprintf(`curl -sSN 'http://%s/v1/stream?channel=orders' -H "Authorization: Bearer $key" &`, c.streams[0])
}

func (c config) webhookLines() string {
	return `body='{"action":"opened","issue":{"number":7,"title":"It works from a shell"},"repository":{"name":"shop"}}'
sig=$(printf %s "$body" | openssl dgst -sha256 -hmac "$secret" | sed 's/^.* //')
curl -sS "$url" -H 'Content-Type: application/json' -H 'X-GitHub-Event: issues' \
  -H "X-GitHub-Delivery: $(date +%s)-$RANDOM" -H "X-Hub-Signature-256: sha256=$sig" --data-binary "$body"; echo`
}

func indent(lines string) string { return "    " + strings.ReplaceAll(lines, "\n", "\n    ") }
