package stacks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend"
)

// The validator is AWS's own (https://github.com/aws-cloudformation/cloudformation-validate): the published schemas
// of resource types and the rules of cfn-lint in one file; it fetches nothing while it runs. npm installs the version
// that validator/package-lock.json names, once, in the user's cache.

type finding struct {
	Rule, Severity, At, Message string
	Line                        int
}

func (f finding) String() string {
	return fmt.Sprintf("line %d: %s: %s (%s %s)", f.Line, f.At, f.Message, f.Severity, f.Rule)
}

// accepted lists findings that stay, each with a reason.
var accepted = []struct {
	rule, at, why string
}{
	{"W3002", "",
		"nested templates and code are paths of this repository until aws cloudformation package uploads them"},
	{"W1001", "Subnets Outputs/", "the third subnet is named only in the branch of Fn::If in which it exists"},
}

// breaks lists mistakes in a template, and the rules that find them. A validator without findings might check nothing.
var breaks = []struct{ name, file, old, new, rule string }{
	{"misspelt property", root, "TimeToLiveSpecification:", "TimeToLiveSpecificaton:", "F3002"},
	{"misspelt inner property", root, "deadLetterTargetArn:", "deadLetterTargetARN:", "[EF]3002"},
	{"misspelt field of a parameter", root, "NoEcho: true", "NoEko: true", "[EF]2001"},
	{"no resource for Ref", root, "TargetKeyId: !Ref Key", "TargetKeyId: !Ref Kee", "F1020"},
	{"no resource for GetAtt", root, "!GetAtt IngestDeadLetters.Arn", "!GetAtt IngestDeadLetterz.Arn", "[EF]10.."},
	{"no such attribute", root, "!GetAtt Table.StreamArn", "!GetAtt Table.StreamArm", "[EF]...."},
	{"no resource for Sub", "gateway.yaml", "integrations/${ToIngest}", "integrations/${ToIngets}", "F1018"},
	{"no resource for DependsOn", "service.yaml", "DependsOn: Listener", "DependsOn: Lisener", "[EF]...."},
	{"no such condition", "gateway.yaml", "Condition: HasZone", "Condition: HasZones", "[EF]...."},
	{"no such type", "functions.yaml", "Type: AWS::Lambda::EventSourceMapping", "Type: AWS::Lambda::EventSourceMaping",
		"[EF]...."},
	{"a required property missing", "functions.yaml", "      Role: !GetAtt IngestRole.Arn\n", "", "[EF]...."},
	{"a value out of range", "functions.yaml", "Timeout: 50\n", "Timeout: 50000\n", "F3034"},
	{"a value of no enumeration", "functions.yaml", "Architectures: [arm64]", "Architectures: [arm46]", "W3030"},
	{"a value of another type", "network.yaml", "EnableDnsSupport: true", "EnableDnsSupport: perhaps", "[EF]...."},
}

// One run of the validator, which takes seconds to start, checks the templates and the broken ones.
func TestTemplatesAreWhatCloudFormationTakes(t *testing.T) {
	v := cloudformation(endtoend.Packages(t, "validator", "the templates are not checked against AWS's schemas"))
	var good, broken []string
	for path := range all(t) {
		good = append(good, path)
	}
	slices.Sort(good)
	dir := t.TempDir()
	for i, b := range breaks {
		text, err := os.ReadFile(b.file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(b.old)) {
			t.Fatalf("%s: %s has no %q", b.name, b.file, b.old)
		}
		broken = append(broken, filepath.Join(dir, fmt.Sprintf("%d.yaml", i)))
		if err := os.WriteFile(broken[i], bytes.Replace(text, []byte(b.old), []byte(b.new), 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reports := v.validate(t, append(slices.Clone(good), broken...)...)
	for _, path := range good {
		for _, f := range reports[path] {
			t.Errorf("%s: %v", path, f)
		}
	}
	for i, b := range breaks {
		rule := regexp.MustCompile(b.rule)
		if !slices.ContainsFunc(reports[broken[i]], func(f finding) bool { return rule.MatchString(f.Rule) }) {
			t.Errorf("%s: the validator found %v, want a finding of %s", b.name, reports[broken[i]], b.rule)
		}
	}
}

// cloudformation is the folder of the validator.
type cloudformation string

// validate returns the findings of each template, without hints and accepted ones.
func (v cloudformation) validate(t *testing.T, paths ...string) map[string][]finding {
	t.Helper()
	// read here, so that go test notices its changes
	script, err := os.ReadFile(filepath.Join("validator", "validate.js"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", append([]string{"-"}, paths...)...)
	cmd.Stdin = bytes.NewReader(script)
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(string(v), "node_modules"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running the validator: %v\n%s", err, stderr.String())
	}
	found := make(map[string][]finding)
	for line := range strings.Lines(string(out)) {
		var report struct {
			Path, Status string
			Found        []finding
		}
		if err := json.Unmarshal([]byte(line), &report); err != nil {
			t.Fatalf("decoding the validator's report: %v\n%s", err, line)
		}
		if report.Status != "OK" {
			t.Errorf("the validator's status for %s is %s, want OK", report.Path, report.Status)
		}
		found[report.Path] = slices.DeleteFunc(report.Found, func(f finding) bool {
			if f.Severity == "INFO" || f.Severity == "DEBUG" {
				return true
			}
			for _, a := range accepted {
				if f.Rule == a.rule && strings.Contains(f.At, a.at) {
					return true
				}
			}
			return false
		})
	}
	if len(found) != len(paths) {
		t.Fatalf("the validator reported on %d of %d templates", len(found), len(paths))
	}
	return found
}
