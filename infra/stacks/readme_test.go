package stacks_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What README says to type names files, functions and parameters that are there, and all the parameters that have to be given.
func TestReadmesCommandsAreTrueOfTheTemplate(t *testing.T) {
	var script string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(readme(t), -1) {
		if strings.Contains(block[1], "cloudformation deploy") {
			script = block[1]
		}
	}
	if script == "" {
		t.Fatal("README has no commands that deploy")
	}

	top, d := load(t), deploy(t)
	_, overrides, _ := strings.Cut(script, "--parameter-overrides")
	given := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)(?:^|\s)([A-Z]\w+)=`).FindAllStringSubmatch(overrides, -1) {
		given[m[1]] = true
		if _, ok := top.Parameters[m[1]]; !ok {
			t.Errorf("the template has no parameter %s", m[1])
		}
	}
	for name, p := range top.Parameters {
		if p.Default == nil && !given[name] {
			t.Errorf("%s has to be given, and is not", name)
		}
	}

	loop := regexp.MustCompile(`for f in ([a-z ]+); do`).FindStringSubmatch(script)
	if loop == nil {
		t.Fatal("no loop over the functions")
	}
	built := strings.Fields(loop[1])
	for _, f := range d.Functions {
		if !slices.Contains(built, f.Name) || f.Machine != "arm64" {
			t.Errorf("%s for %s is not built", f.Name, f.Machine)
		}
	}
	if len(built) != len(d.Functions) {
		t.Errorf("builds %q, and there are %d functions", built, len(d.Functions))
	}
	for _, want := range []string{"GOOS=linux GOARCH=arm64", "-tags lambda.norpc", "--image-tag-mutability IMMUTABLE\n", "-o build/$f/ ./functions/$f/bootstrap", "--platform linux/arm64"} {
		if !strings.Contains(script, want) {
			t.Errorf("no %s", want)
		}
	}
	// Where the template looks for what is built.
	functions := all(t)["../../infra/stacks/functions.yaml"]
	if functions == nil {
		t.Fatal("no template of the functions")
	}
	for id, r := range functions.Resources {
		if r.Type == "AWS::Lambda::Function" && r.Properties["Code"] != "../../build/"+strings.ToLower(id) {
			t.Errorf("%s is fetched from %v", id, r.Properties["Code"])
		}
	}
	if repository := top.Parameters["StreamerRepository"].Default; !strings.Contains(script, "--repository-name "+repository.(string)+" ") ||
		!strings.Contains(script, "-t $REGISTRY/"+repository.(string)+":$TAG") {
		t.Errorf("the image does not go to %v", repository)
	}
	for _, m := range regexp.MustCompile(`(?:\./|-f |--template-file )([\w./]+)`).FindAllStringSubmatch(strings.ReplaceAll(script, "$f", "ingest"), -1) {
		if strings.HasPrefix(m[1], "build/") {
			continue
		}
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	// "Nothing that keeps state goes with the stack."
	for path, one := range all(t) {
		for id, r := range one.Resources {
			keeps := slices.Contains([]string{"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SQS::Queue"}, r.Type)
			if keeps && !strings.HasPrefix(r.Deletion, "Retain") {
				t.Errorf("%s: %s goes with the stack", path, id)
			}
		}
	}
}
