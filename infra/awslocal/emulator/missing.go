package emulator

import (
	"os/exec"
	"strings"
)

// Missing returns the programs that the servers need and that are not in this machine's PATH, each with its purpose.
func Missing() []string { return missing("java", "node", "npm") }

func missing(programs ...string) (lacking []string) {
	purposes := map[string]string{
		"java": "java (17 or later) runs DynamoDB Local",
		"node": "node (20 or later) runs the SQS server",
		"npm":  "npm downloads both servers, once",
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lacking = append(lacking, purposes[p])
		}
	}
	return lacking
}

// MissingError lists programs that a server needs and that are not on this machine.
type MissingError struct{ Programs []string }

func (e *MissingError) Error() string { return "not installed: " + strings.Join(e.Programs, "; ") }

func need(programs ...string) error {
	if lacking := missing(programs...); len(lacking) > 0 {
		return &MissingError{lacking}
	}
	return nil
}
