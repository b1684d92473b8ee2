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

// importRules says who may import whom, a reason per row. A package's own row is the longest prefix of its path; an
// import that the row does not name is refused. Arrows go down: a package imports only packages of lower floors.
// Third-party modules are listed once each: every library has one home.
var importRules = []struct {
	pkg    string   // a path below the module; with a slash at its end, all below it
	floor  int      // where the package stands: it imports only lower floors
	ours   []string // our packages that it may import, by path
	theirs []string // third-party modules
	why    string
}{
	// The domain.
	{"tenants", 0, nil, nil, "nouns, ports and errors stand on the standard library alone"},
	{"tenants/signing", 0, nil, nil, "pure: bytes in, a verdict out"},
	{"tenants/eventstream", 0, nil, nil, "pure: a stream in, events out"},
	{"tenants/record", 1, rooms(""), nil, "the bodies of rows"},
	{"tenants/cache", 1, rooms(""), nil, "memory with an age and a size"},
	{"tenants/worker", 1, rooms(""), nil, "goroutines that drain a queue or share a loop"},
	{"tenants/hidden", 1, rooms(""), nil, "rights over parts of a payload"},
	{"tenants/outgoing", 1, rooms(""), nil, "header rules of requests to other servers"},
	{"tenants/keyring", 2, rooms("", "record"), nil, "one row, and the keys that follow from it"},
	{"tenants/eventlog", 2, rooms("", "record", "worker"), nil, "the log knows neither who writes to it nor who reads"},
	{"tenants/projection", 2, rooms("", "record", "worker"), nil, "what follows from the table's changes"},
	{"tenants/trace", 2, rooms("", "cache", "record", "worker"), nil, "recorded steps, whoever takes them"},
	{"tenants/node", 2, rooms("", "cache", "record", "worker"), nil, "nodes know each other, and slots by a port"},
	{"tenants/account", 3, rooms("", "cache", "keyring", "record", "worker"), nil, "tenants and their credentials"},
	{"tenants/quota", 3, rooms("", "cache", "node", "record", "worker"), nil, "slots that nodes share"},
	{"tenants/source", 4, rooms("", "account", "cache", "keyring", "record", "signing"), nil,
		"a source verifies by its scheme and changes with its account"},
	{"tenants/endpoint", 4, rooms("", "account", "cache", "keyring", "outgoing", "record", "signing"), nil,
		"an endpoint signs and changes with its account"},
	{"tenants/intake", 5, rooms("", "cache", "eventlog", "node", "projection", "signing", "source", "trace", "worker"),
		nil,
		"from a request to the log, and on to the nodes"},
	{"tenants/delivery", 5, rooms("", "cache", "endpoint", "eventlog", "record", "worker"), nil,
		"from the log to endpoints"},
	{"tenants/job", 6, rooms("", "endpoint", "eventlog", "intake", "keyring", "record", "worker"), nil,
		"a job tells of itself by the intake, and may run at an endpoint"},
	{"tenants/proxy", 6, rooms("", "account", "cache", "eventlog", "intake", "node", "outgoing", "record", "worker"),
		nil,
		"a proxy's events take the intake, its runs are shared among nodes"},
	{"tenants/erasure", 7, rooms("", "account", "delivery", "endpoint", "eventlog", "job", "node", "projection",
		"proxy", "record",
		"source", "worker"), nil, "asks each owner of rows which kinds are a tenant's"},

	// Around the domain.
	{"tenants/envelope", 1, rooms(""), nil, "the JSON form of an event"},
	{"tenants/problem", 1, rooms(""), nil, "error kinds to problem+json"},
	{"tenants/egress", 1, rooms(""), nil, "requests to tenants' addresses stand on the standard library alone"},
	{"tenants/upstream", 1, rooms("", "eventstream"), nil, "another server's stream, over any connection"},
	{"tenants/filter", 2, rooms("", "cache"), []string{"cel.dev/cel-go"}, "the only package that knows CEL"},
	{"tenants/access", 4, rooms("", "account", "cache", "hidden"), []string{"github.com/casbin/casbin/v2"},
		"the only package that knows Casbin"},
	{"tenants/token", 4, rooms("", "account", "cache"), []string{"github.com/golang-jwt/jwt/v5"},
		"the only package that knows JWT"},
	{"tenants/api", 8, rooms("", "access", "account", "cache", "delivery", "endpoint", "envelope", "erasure",
		"eventlog", "hidden",
		"intake", "job", "keyring", "node", "problem", "projection", "proxy", "signing", "source", "token", "trace"),
		nil,
		"the admin API serves everything that the domain has"},
	{"tenants/backend", 9, rooms("", "access", "account", "api", "delivery", "endpoint", "erasure", "eventlog",
		"filter", "intake",
		"job", "keyring", "node", "projection", "proxy", "source", "token"),
		nil, "the one composition of the domain over the ports"},
	{"tenants/tenantstest", 1, rooms(""), nil, "simulations of the ports"},
	{"tenants/tenantstest/golden", 0, nil, nil,
		"compares encodings with a file: it knows no record, so that every owner can use it"},
	{"tenants/tenantstest/contract", 2, rooms("", "tenantstest"), nil, "the suites that every adapter passes"},
	{"tenants/tenantstest/depth", 0, nil, nil, "how much of the long tests a run asks for"},
	{"tenants/tenantstest/rig", 8, rooms("", "account", "delivery", "endpoint", "erasure", "eventlog", "intake",
		"job", "keyring", "node",
		"projection", "quota", "signing", "source", "tenantstest"), nil, "what tests of several packages stand on"},

	// Adapters, and what a process stands on.
	{"infra/sqlite", 1, append(rooms(""), "infra/privatefile"), []string{"modernc.org/sqlite"},
		"an adapter knows the ports and its engine"},
	{"infra/keyfile", 1, append(rooms(""), "infra/privatefile"),
		nil, "an adapter knows the ports and its engine, which is a file"},
	{"infra/dynamo", 1, rooms(""), awsFor("dynamodb", "dynamodbstreams"), "an adapter knows the ports and its engine"},
	{"infra/sqs", 1, rooms(""), awsFor("sqs"), "an adapter knows the ports and its engine"},
	{"infra/kms", 1, rooms(""), awsFor("kms"), "an adapter knows the ports and its engine"},
	{"infra/certificates", 2, rooms("", "cache"), nil, "fetches the certificates that the domain verifies with"},
	{"infra/awsenv", 0, nil, []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/aws-sdk-go-v2/config",
		"github.com/aws/smithy-go"},
		"a process's surroundings: it knows nothing of what the process does"},
	{"infra/awsports", 10, append(rooms("backend", "egress"), "infra/awsenv", "infra/certificates", "infra/dynamo",
		"infra/kms",
		"infra/sqs"), awsFor("dynamodb"), "the adapters of the AWS form, as the environment names them"},
	{"infra/operatorkey", 4, append(rooms("account"), "infra/privatefile"), nil, "a key in a file"},
	{"infra/privatefile", 0, nil, nil, "files of their owner alone: it knows nothing of what is in them"},
	{"infra/stacks", 0, nil, []string{"gopkg.in/yaml.v3"}, "reads templates, and knows nothing of what is deployed"},
	{"infra/awslocal/between", 0, nil, nil, "stands between programs and knows nothing of ours"},
	{"infra/awslocal/process", 0, nil, nil, "runs programs and knows nothing of ours"},
	{"infra/awslocal/emulator", 1, []string{"infra/awslocal/process"}, nil,
		"starts programs and knows nothing of ours"},
	{"infra/awslocal/lambda", 1, []string{"infra/awslocal/process"}, nil, "runs functions and knows nothing of ours"},
	{"infra/endtoend", 0, nil, nil, "a stranger: it knows addresses and keys, and nothing of ours"},
	{"infra/endtoend/browser", 0, nil, []string{"github.com/chromedp/chromedp"},
		"the only package that knows a browser"},

	// Transports: a function or the streamer serves the domain, and never imports an adapter or another transport.
	{"functions/internal/note", 0, nil, nil, "lines of a log"},
	{"functions/internal/batch", 1, rooms(""), []string{"github.com/aws/aws-lambda-go"},
		"batches of messages and their failures"},
	{"functions/internal/gateway", 2, append(rooms("", "problem"), "functions/internal/batch",
		"functions/internal/note"),
		[]string{"github.com/aws/aws-lambda-go"}, "API Gateway's events to net/http"},
	{"functions/", 9, append(rooms("", "intake", "problem", "signing", "source", "trace"), "functions/internal/batch",
		"functions/internal/gateway", "functions/internal/note"), []string{"github.com/aws/aws-lambda-go"},
		"a function is a transport"},
	{"streamer/sse", 2, rooms("", "envelope"), nil, "a wire format"},
	{"streamer/ndjson", 3, append(rooms("", "envelope"), "streamer/sse"),
		nil, "a wire format; sse has the names of controls"},
	{"streamer/ws", 4, append(rooms(""), "streamer/ndjson", "streamer/sse"),
		nil, "a wire format; its messages are the lines of ndjson"},
	{"streamer/embed", 0, nil, nil, "files for the browser"},
	{"streamer/peers", 0, nil, nil, "says how programs are started and knows nothing of ours"},
	{"streamer/hub", 3, append(rooms("", "envelope", "eventlog", "hidden", "node", "trace"), "streamer/sse"),
		[]string{"golang.org/x/sys"}, "fan-out knows sockets and no Fiber"},
	{"streamer/relay", 7, rooms("", "eventlog", "eventstream", "proxy", "upstream"), nil,
		"runs upstreams for this node; it hands events to the hub and knows no sockets"},
	{"streamer", 9, append(rooms("", "access", "account", "api", "envelope", "hidden", "problem", "proxy", "quota",
		"token", "trace"),
		"streamer/embed", "streamer/hub", "streamer/ndjson", "streamer/relay", "streamer/sse", "streamer/ws"),
		[]string{"github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp", "golang.org/x/sys"},
		"the only package that knows Fiber"},
	{"streamer/tier", 10, append(rooms("", "api", "backend", "job", "node", "proxy", "quota", "trace"), "streamer",
		"streamer/hub",
		"streamer/relay"), nil, "the one composition of a streaming node over a backend"},
}

// rooms names packages of the domain by what is after tenants/; "" is the root.
func rooms(names ...string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = strings.TrimSuffix("tenants/"+name, "/")
	}
	return paths
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
	floors := make(map[string]int)
	for _, p := range packages {
		if rule := ruleOf(p.ImportPath); rule >= 0 {
			floors[p.ImportPath] = importRules[rule].floor
		}
	}
	dependencies := make(map[string]listed)
	for _, p := range goList(t, "-deps", "./...") {
		dependencies[p.ImportPath] = p
	}
	for _, p := range packages {
		path := strings.TrimPrefix(p.ImportPath, module)
		rule := ruleOf(p.ImportPath)
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
				if p.Name != "main" && !slices.ContainsFunc(importRules[rule].ours, func(o string) bool {
					return covers(o, own)
				}) {
					t.Errorf("%s must not import %s: %s", path, own, importRules[rule].why)
				}
				if p.Name != "main" && floors[imported] >= floors[p.ImportPath] {
					t.Errorf("%s on floor %d imports %s on floor %d: arrows go down", path, floors[p.ImportPath],
						own, floors[imported])
				}
			} else if !d.Standard && d.Module != nil && p.Name != "main" &&
				!slices.Contains(importRules[rule].theirs, d.Module.Path) {
				t.Errorf("%s must not import %s: %s", path, d.Module.Path, importRules[rule].why)
			}
		}
	}
}

// ruleOf is the index of the row of a package, -1 if no row covers it.
func ruleOf(importPath string) int {
	path, rule := strings.TrimPrefix(importPath, module), -1
	for i, r := range importRules {
		if covers(r.pkg, path) && (rule < 0 || len(r.pkg) > len(importRules[rule].pkg)) {
			rule = i
		}
	}
	return rule
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
