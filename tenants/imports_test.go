package tenants_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hookcast/hookcast/"

// importRules says who may import whom, a reason per row. A package's own row is the longest prefix of its path; what the row
// does not name is refused. Third-party modules stand here once each: every library has one home.
var importRules = []struct {
	pkg    string   // a path below the module, or with a slash at its end all below it
	ours   []string // packages of ours, likewise
	theirs []string // third-party modules
	why    string
}{
	{"tenants", []string{"tenants/signing"}, nil, "the domain stands on the standard library alone"},
	{"tenants/signing", nil, nil, "pure: bytes in, a verdict out"},
	{"tenants/envelope", []string{"tenants"}, nil, "the JSON form of an event"},
	{"tenants/problem", []string{"tenants"}, nil, "error kinds to problem+json"},
	{"tenants/access", []string{"tenants"}, []string{"github.com/casbin/casbin/v2"}, "the only package that knows Casbin"},
	{"tenants/token", []string{"tenants"}, []string{"github.com/golang-jwt/jwt/v5"}, "the only package that knows JWT"},
	{"tenants/egress", []string{"tenants"}, nil, "what reaches out stands on the standard library alone"},
	{"tenants/eventstream", nil, nil, "pure: a stream in, events out"},
	{"tenants/upstream", []string{"tenants", "tenants/eventstream"}, nil, "somebody else's stream, over whatever connects"},
	{"tenants/filter", []string{"tenants"}, []string{"cel.dev/cel-go"}, "the only package that knows CEL"},
	{"tenants/api", []string{"tenants", "tenants/"}, nil, "the admin API serves everything that the domain has"},
	{"tenants/tenantstest", []string{"tenants", "tenants/signing"}, nil, "suites and simulations of the ports"},
	{"tenants/tenantstest/depth", nil, nil, "it says how far tests go, those of every package"},
	{"infra/sqlite", []string{"tenants", "infra/privatefile"}, []string{"modernc.org/sqlite"}, "an adapter knows the ports and its engine"},
	{"infra/keyfile", []string{"tenants", "infra/privatefile"}, nil, "an adapter knows the ports and its engine, which is a file"},
	{"infra/dynamo", []string{"tenants"}, awsFor("dynamodb", "dynamodbstreams"), "an adapter knows the ports and its engine"},
	{"infra/sqs", []string{"tenants"}, awsFor("sqs"), "an adapter knows the ports and its engine"},
	{"infra/kms", []string{"tenants"}, awsFor("kms"), "an adapter knows the ports and its engine"},
	{"infra/awsenv", nil, []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/aws-sdk-go-v2/config", "github.com/aws/smithy-go"}, "a process's surroundings: it knows nothing of what the process does"},
	{"infra/operatorkey", []string{"tenants", "infra/privatefile"}, nil, "a key in a file"},
	{"infra/privatefile", nil, nil, "files of their owner alone: it knows nothing of what is in them"},
	{"infra/certificates", []string{"tenants"}, nil, "fetches what the domain verifies with"},
	{"infra/stacks", nil, []string{"gopkg.in/yaml.v3"}, "reads templates, and knows nothing of what is deployed"},
	{"infra/awslocal/between", nil, nil, "it stands between programs and knows nothing of ours"},
	{"infra/awslocal/emulator", []string{"infra/awslocal/process"}, nil, "it starts programs and knows nothing of ours"},
	{"infra/awslocal/process", nil, nil, "it runs programs and knows nothing of ours"},
	{"infra/awslocal/lambda", []string{"infra/awslocal/process"}, nil, "it runs functions and knows nothing of ours"},
	{"infra/endtoend", nil, nil, "a stranger: it knows addresses and keys, and nothing of ours"},
	{"infra/endtoend/browser", nil, []string{"github.com/chromedp/chromedp"}, "the only package that knows a browser"},
	{"functions/", []string{"tenants", "tenants/", "functions/internal/"}, []string{"github.com/aws/aws-lambda-go"}, "a function is a transport: never an adapter, never another function"},
	{"streamer", []string{"tenants", "tenants/", "streamer/hub", "streamer/sse", "streamer/ndjson", "streamer/ws", "streamer/embed", "streamer/relay"}, []string{"github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp", "golang.org/x/sys"}, "the only package that knows Fiber"},
	{"streamer/hub", []string{"tenants", "tenants/envelope", "streamer/sse"}, []string{"golang.org/x/sys"}, "fan-out knows sockets and no Fiber"},
	{"streamer/relay", []string{"tenants", "tenants/eventstream", "tenants/upstream"}, nil, "runs upstreams for this node; it hands events to the hub and knows no sockets"},
	{"streamer/sse", []string{"tenants", "tenants/envelope"}, nil, "a wire format"},
	{"streamer/ndjson", []string{"tenants", "tenants/envelope", "streamer/sse"}, nil, "a wire format; sse has the names of controls"},
	{"streamer/ws", []string{"tenants", "streamer/ndjson", "streamer/sse"}, nil, "a wire format; its messages are the lines of ndjson"},
	{"streamer/embed", nil, nil, "files for the browser"},
	{"streamer/peers", nil, nil, "it says how programs are started and knows nothing of ours"},
}

// awsFor is the SDK of a service of AWS: a module for each of its APIs and two that all of them share.
func awsFor(apis ...string) []string {
	const sdk = "github.com/aws/aws-sdk-go-v2"
	modules := []string{sdk, "github.com/aws/smithy-go"}
	for _, api := range apis {
		modules = append(modules, sdk+"/service/"+api)
	}
	return modules
}

// A main is the only place that knows everything, and nobody imports a main.
type listed struct {
	ImportPath, Name string
	Imports          []string
	Module           *struct{ Path string }
	Standard         bool
}

func TestImports(t *testing.T) {
	packages := goList(t, "./...")
	dependencies := make(map[string]listed)
	for _, p := range goList(t, "-deps", "./...") {
		dependencies[p.ImportPath] = p
	}
	for _, p := range packages {
		path := strings.TrimPrefix(p.ImportPath, module)
		rule := -1
		for i, r := range importRules {
			if covers(r.pkg, path) && (rule < 0 || len(r.pkg) > len(importRules[rule].pkg)) {
				rule = i
			}
		}
		if p.Name != "main" && rule < 0 {
			t.Errorf("%s has no row in the import rules", path)
			continue
		}
		for _, imported := range p.Imports {
			d := dependencies[imported]
			if own, ok := strings.CutPrefix(imported, module); ok {
				if d.Name == "main" {
					t.Errorf("%s imports the main %s", path, own)
				}
				if p.Name != "main" && !slices.ContainsFunc(importRules[rule].ours, func(o string) bool { return covers(o, own) }) {
					t.Errorf("%s may not import %s: %s", path, own, importRules[rule].why)
				}
			} else if !d.Standard && d.Module != nil && p.Name != "main" && !slices.Contains(importRules[rule].theirs, d.Module.Path) {
				t.Errorf("%s may not import %s: %s", path, d.Module.Path, importRules[rule].why)
			}
		}
	}
}

func covers(row, path string) bool {
	return row == path || strings.HasSuffix(row, "/") && strings.HasPrefix(path, row)
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Name,Imports,Module,Standard"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
