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

// SQS starts the SQS server. A queue's URL has the host to which the request that created or looked up the queue was
// sent. ctx bounds the download and the start.
//
// As on AWS, one call returns all available messages of a group, which fauxqs alone does not do: see sqs.mjs.
//
// Unlike on AWS, deduplication ids are unique in the whole queue, whatever its DeduplicationScope says.
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
	cmd.Dir = dir // node looks for fauxqs in the working directory
	return start(ctx, "the SQS server", cmd)
}
