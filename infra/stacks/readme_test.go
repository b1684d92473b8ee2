package stacks_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmesCommandsAreTrueOfTheTemplate holds the guide's commands that deploy to the template: files, functions and
// parameters exist, and every parameter without a default is given.
func TestReadmesCommandsAreTrueOfTheTemplate(t *testing.T) {
	var script string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(guide(t, "aws.md"), -1) {
		if strings.Contains(block[1], "cloudformation deploy") {
			script = block[1]
		}
	}
	if script == "" {
		t.Fatal("guide/aws.md has no commands that deploy")
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
			t.Errorf("the parameter %s has no default and is not given", name)
		}
	}

	loop := regexp.MustCompile(`for f in ([a-z ]+); do`).FindStringSubmatch(script)
	if loop == nil {
		t.Fatal("the commands have no loop over the functions")
	}
	built := strings.Fields(loop[1])
	for _, f := range d.Functions {
		if !slices.Contains(built, f.Name) || f.Machine != "arm64" {
			t.Errorf("the function %s for %s is not built", f.Name, f.Machine)
		}
	}
	if len(built) != len(d.Functions) {
		t.Errorf("the commands build %q, want %d functions", built, len(d.Functions))
	}
	for _, want := range []string{
		"GOOS=linux GOARCH=arm64",
		"-tags lambda.norpc",
		"--image-tag-mutability IMMUTABLE\n",
		"-o build/$f/ ./functions/$f/bootstrap",
		"--platform linux/arm64",
	} {
		if !strings.Contains(script, want) {
			t.Errorf("the commands have no %q", want)
		}
	}
	// The template takes the binaries from the folders that the commands build into.
	functions := all(t)["../../infra/stacks/functions.yaml"]
	if functions == nil {
		t.Fatal("there is no template of the functions")
	}
	for id, r := range functions.Resources {
		if r.Type == "AWS::Lambda::Function" && r.Properties["Code"] != "../../build/"+strings.ToLower(id) {
			t.Errorf("the code of %s is %v, want ../../build/%s", id, r.Properties["Code"], strings.ToLower(id))
		}
	}
	repository := top.Parameters["StreamerRepository"].Default.(string)
	if !strings.Contains(script, "--repository-name "+repository+" ") ||
		!strings.Contains(script, "-t $REGISTRY/"+repository+":$TAG") {
		t.Errorf("the image does not go to %s", repository)
	}
	files := regexp.MustCompile(`(?:\./|-f |--template-file )([\w./]+)`)
	for _, m := range files.FindAllStringSubmatch(strings.ReplaceAll(script, "$f", "ingest"), -1) {
		if strings.HasPrefix(m[1], "build/") {
			continue
		}
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	// "Deleting the stack deletes nothing that keeps state."
	for path, one := range all(t) {
		for id, r := range one.Resources {
			keeps := slices.Contains([]string{"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SQS::Queue"}, r.Type)
			if keeps && !strings.HasPrefix(r.Deletion, "Retain") {
				t.Errorf("%s: %s is deleted with the stack, want a DeletionPolicy that retains it", path, id)
			}
		}
	}
}
