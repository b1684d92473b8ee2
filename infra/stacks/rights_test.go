package stacks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// everywhere lists the actions that are allowed on "*", each with a reason. AWS allows no resource to be named for
// them.
var everywhere = map[string]string{
	"ecr:GetAuthorizationToken":                 "a token is for the whole registry",
	"elasticloadbalancing:DescribeTargetHealth": "Describe actions of the load balancer have no resource",
	"sqs:ListQueues":                            "lists the account's queues",
}

// statement is a statement of a policy. owner is the resource that has the policy.
type statement struct {
	path, owner        string
	effect             string
	actions, resources []string
	raw                map[string]any
}

func TestNoActionIsAWildcardAndNoResourceIsEverything(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range statements(t) {
		where := s.path + ": " + s.owner
		if s.effect != "Allow" && s.effect != "Deny" {
			t.Errorf("%s: the effect is %q, want Allow or Deny", where, s.effect)
		}
		if len(s.actions) == 0 {
			t.Errorf("%s: a statement has no Action", where)
		}
		for _, not := range []string{"NotAction", "NotResource", "NotPrincipal"} {
			if _, ok := s.raw[not]; ok {
				t.Errorf("%s uses %s", where, not)
			}
		}
		if fmt.Sprint(s.raw["Principal"]) == "*" || fmt.Sprint(s.raw["Principal"]) == "map[AWS:*]" {
			t.Errorf("%s applies to every principal", where)
		}
		for _, a := range s.actions {
			if strings.ContainsAny(a, "*?") || !strings.Contains(a, ":") {
				t.Errorf("%s: the action %q must be a single action", where, a)
			}
			if slices.Contains(s.resources, "*") && s.owner != "Key" { // in a key's policy "*" is the key itself
				if everywhere[a] == "" {
					t.Errorf("%s: %s is allowed on every resource", where, a)
				}
				seen[a] = true
			}
		}
		for _, r := range s.resources {
			// A name may end in a wildcard; a service, a region or an account must not contain one.
			if r != "*" && strings.ContainsAny(strings.TrimSuffix(r, "*"), "*?") {
				t.Errorf("%s: the resource %q has a wildcard before its end", where, r)
			}
		}
	}
	for a := range everywhere {
		if !seen[a] {
			t.Errorf("%s is listed but not used", a)
		}
	}
}

func TestEachFunctionHasARoleOfItsOwn(t *testing.T) {
	users := make(map[string][]string)
	for path, one := range all(t) {
		for id, r := range one.Resources {
			for _, property := range []string{"Role", "TaskRoleArn", "ExecutionRoleArn"} {
				if role, ok := r.Properties[property]; ok {
					users[path+fmt.Sprint(role)] = append(users[path+fmt.Sprint(role)], id)
				}
			}
			if _, ok := r.Properties["ManagedPolicyArns"]; ok {
				t.Errorf("%s: %s has a managed policy, which AWS may extend", path, id)
			}
		}
	}
	if len(users) != 8 { // six functions, the task, and its execution role
		t.Errorf("there are %d roles, want 8: %v", len(users), users)
	}
	for role, ids := range users {
		if len(ids) > 1 {
			t.Errorf("%s is shared by %v", role, ids)
		}
	}
}

// calls lists the calls that the adapters make to AWS, and the permissions that they need according to AWS's Service
// Authorization Reference. A call that is not listed fails the test: a person must decide who may make it.
var calls = map[string]struct {
	rights []string
	who    []string // roles; none: no deployed program makes the call
}{
	"dynamo.GetItem": {[]string{"dynamodb:GetItem"},
		[]string{"IngestRole", "AppendRole", "ChangesRole", "DeliverRole", "AdminRole", "SweepRole", "TaskRole"}},
	"dynamo.Query": {[]string{"dynamodb:Query"},
		[]string{"IngestRole", "AppendRole", "ChangesRole", "DeliverRole", "AdminRole", "SweepRole", "TaskRole"}},
	"dynamo.PutItem": {[]string{"dynamodb:PutItem"},
		[]string{"IngestRole", "AppendRole", "ChangesRole", "DeliverRole", "AdminRole", "SweepRole", "TaskRole"}},
	"dynamo.UpdateItem": {[]string{"dynamodb:UpdateItem"},
		[]string{"AppendRole", "ChangesRole", "DeliverRole", "AdminRole", "SweepRole", "TaskRole"}},
	"dynamo.DeleteItem": {[]string{"dynamodb:DeleteItem"},
		[]string{"AppendRole", "ChangesRole", "DeliverRole", "AdminRole", "SweepRole", "TaskRole"}},
	"dynamo.TransactWriteItems": {[]string{"dynamodb:ConditionCheckItem"},
		[]string{"AppendRole", "ChangesRole", "DeliverRole", "AdminRole", "SweepRole", "TaskRole"}},
	"dynamo.CreateTable":      {nil, nil},
	"dynamo.DescribeTable":    {nil, nil},
	"dynamo.UpdateTimeToLive": {nil, nil},
	// made by the event source mapping
	"dynamo.DescribeStream":   {[]string{"dynamodb:DescribeStream"}, []string{"ChangesRole"}},
	"dynamo.GetRecords":       {[]string{"dynamodb:GetRecords"}, []string{"ChangesRole"}},
	"dynamo.GetShardIterator": {[]string{"dynamodb:GetShardIterator"}, []string{"ChangesRole"}},
	"sqs.SendMessageBatch": {[]string{"sqs:SendMessage"},
		[]string{"IngestRole", "AppendRole", "ChangesRole", "DeliverRole", "AdminRole", "SweepRole", "TaskRole"}},
	// for functions made by the event source mapping
	"sqs.ReceiveMessage": {[]string{"sqs:ReceiveMessage"},
		[]string{"AppendRole", "DeliverRole", "TaskRole"}},
	"sqs.DeleteMessageBatch": {[]string{"sqs:DeleteMessage"},
		[]string{"AppendRole", "DeliverRole", "TaskRole"}},
	"sqs.ChangeMessageVisibilityBatch": {[]string{"sqs:ChangeMessageVisibility"},
		[]string{"AppendRole", "DeliverRole"}},
	"sqs.GetQueueUrl": {[]string{"sqs:GetQueueUrl"},
		[]string{"AppendRole", "ChangesRole", "DeliverRole", "AdminRole", "SweepRole", "TaskRole"}},
	"sqs.CreateQueue": {[]string{"sqs:CreateQueue"}, []string{"TaskRole"}},
	"sqs.DeleteQueue": {[]string{"sqs:DeleteQueue"}, []string{"SweepRole", "TaskRole"}},
	"sqs.ListQueues":  {[]string{"sqs:ListQueues"}, []string{"SweepRole"}},
	"kms.GenerateDataKey": {[]string{"kms:GenerateDataKey"},
		[]string{"IngestRole", "DeliverRole", "AdminRole", "TaskRole"}},
	"kms.Decrypt": {[]string{"kms:Decrypt"}, []string{"IngestRole", "DeliverRole", "AdminRole", "TaskRole"}},
}

// call matches the SDK's input types, which name the calls of an adapter.
var call = regexp.MustCompile(`\b(?:dynamodb|dynamodbstreams|sqs|kms)\.(\w+)Input\b`)

func TestWhatTheAdaptersAskForIsGranted(t *testing.T) {
	granted := make(map[string]map[string]bool)
	for _, s := range statements(t) {
		if s.raw["Condition"] != nil { // a permission for the table's encryption does not allow opening secrets
			continue
		}
		if granted[s.owner] == nil {
			granted[s.owner] = make(map[string]bool)
		}
		for _, a := range s.actions {
			granted[s.owner][a] = true
		}
	}
	made := make(map[string]bool)
	for _, adapter := range []string{"dynamo", "sqs", "kms"} {
		files, err := filepath.Glob(filepath.Join("..", adapter, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("the adapter %s has %d files (%v)", adapter, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range call.FindAllStringSubmatch(string(text), -1) {
				made[adapter+"."+m[1]] = true
			}
		}
	}
	for name := range made {
		c, ok := calls[name]
		if !ok {
			t.Errorf("%s is called but not listed", name)
		}
		for _, role := range c.who {
			for _, right := range c.rights {
				if !granted[role][right] {
					t.Errorf("%s lacks the permission %s", role, right)
				}
			}
		}
	}
	for name := range calls {
		if !made[name] {
			t.Errorf("%s is listed but never called", name)
		}
	}
}

func statements(t *testing.T) []statement {
	t.Helper()
	var found []statement
	for path, one := range all(t) {
		for id, r := range one.Resources {
			for _, document := range mapsWith(r.Properties, "Statement") {
				list, _ := document["Statement"].([]any)
				if len(list) == 0 {
					t.Errorf("%s: %s has an empty policy", path, id)
				}
				for _, item := range list {
					raw, _ := item.(map[string]any)
					effect, _ := raw["Effect"].(string)
					found = append(found, statement{path, id, effect, texts(raw["Action"]), texts(raw["Resource"]),
						raw})
				}
			}
		}
	}
	if len(found) < 30 {
		t.Fatalf("there are %d statements, want at least 30", len(found))
	}
	return found
}

// texts returns v as a list of strings; for Fn::Sub it is the template text.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, item := range v {
			list = append(list, texts(item)...)
		}
		return list
	case map[string]any:
		if text, ok := v["Fn::Sub"].(string); ok {
			return []string{text}
		}
		return []string{fmt.Sprint(v)[3:]}
	}
	return nil
}
