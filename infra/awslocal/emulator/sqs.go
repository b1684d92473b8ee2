package emulator

import (
	"context"
	_ "embed"
	"os/exec"
	"strings"
)

const fauxqs = "fauxqs@1.9.2"

//go:embed sqs.mjs
var sqsScript string

// SQS starts the SQS server. A queue's URL has the host that the request which made or looked it up was sent to. ctx bounds the download
// and the start.
//
// As on AWS a call hands out as many messages of a group as there are, which fauxqs by itself does not: see sqs.mjs.
//
// Where it differs from AWS: deduplication ids are one set for the whole queue, whatever its DeduplicationScope says.
func SQS(ctx context.Context) (*Server, error) {
	if err := need("node", "npm"); err != nil {
		return nil, err
	}
	dir, err := installed(ctx, strings.ReplaceAll(fauxqs, "@", "-"), func(ctx context.Context, dir string) error {
		return npm(ctx, dir, "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", fauxqs)
	})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "--input-type=module", "--eval", sqsScript)
	cmd.Dir = dir // where it looks for fauxqs
	return start(ctx, "the SQS server", cmd)
}
