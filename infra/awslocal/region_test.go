package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A program whose table is not in its region says so in one line with the region's name, and ends. DynamoDB Local has
// one store for all regions, so the table has another name here.
func TestAProgramInTheWrongRegionSaysSo(t *testing.T) {
	p := start(t)
	for _, name := range []string{"ingest", "append", "changes", "deliver", "admin", "sweep", "streamer-1"} {
		pids := p.processes(t)[name]
		if len(pids) == 0 {
			t.Errorf("no process %s runs", name)
			continue
		}
		block, err := os.ReadFile(filepath.Join("/proc", itoa(pids[0]), "environ"))
		if err != nil {
			t.Skip("this machine has no /proc")
		}
		var environment []string
		for v := range bytes.SplitSeq(bytes.TrimSuffix(block, []byte{0}), []byte{0}) {
			switch key, _, _ := strings.Cut(string(v), "="); key {
			case "AWS_REGION", "AWS_DEFAULT_REGION":
				environment = append(environment, key+"=ap-southeast-2")
			case "HOOKCAST_TABLE":
				environment = append(environment, key+"=in-another-region")
			case "HOOKCAST_ADDR":
				environment = append(environment, key+"=127.0.0.1:0")
			default:
				environment = append(environment, string(v))
			}
		}
		binary := name + "/bootstrap"
		if name == "streamer-1" {
			binary = "streamerd/streamerd"
		}
		said := failing(t, filepath.Join(p.data, "build", binary), environment...)
		if !strings.Contains(said, "ap-southeast-2") {
			t.Errorf("%s printed %q, want it to name ap-southeast-2", name, said)
		}
	}
}
