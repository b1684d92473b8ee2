package stacks_test

import (
	"testing"

	"github.com/hookcast/hookcast/infra/stacks"
)

const root = "../../template.yaml"

// load returns the top template.
func load(t *testing.T) *stacks.Template {
	t.Helper()
	top, err := stacks.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return top
}

// all returns every template, by its path.
func all(t *testing.T) map[string]*stacks.Template {
	t.Helper()
	found := make(map[string]*stacks.Template)
	var visit func(*stacks.Template)
	visit = func(one *stacks.Template) {
		found[one.Path] = one
		for _, r := range one.Resources {
			if r.Nested != nil {
				visit(r.Nested)
			}
		}
	}
	visit(load(t))
	return found
}

var given = map[string]string{
	"ApiDomainName": "api.example.com", "StreamDomainName": "stream.example.com",
	"CertificateArn":  "arn:aws:acm:eu-central-1:000000000000:certificate/x",
	"OperatorKeyHash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "StreamerImageTag": "v1",
}

func deploy(t *testing.T) *stacks.Deployment {
	t.Helper()
	d, err := load(t).Deploy("hookcast", stacks.Place{
		Region: "eu-central-1", Account: "000000000000", QueueURL: func(name string) string {
			return "https://sqs.test/" + name
		},
	}, given)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// mapsWith returns every map in v that has a value for the key.
func mapsWith(v any, key string) []map[string]any {
	var found []map[string]any
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			found = append(found, mapsWith(item, key)...)
		}
	case map[string]any:
		if v[key] != nil {
			found = append(found, v)
		}
		for _, item := range v {
			found = append(found, mapsWith(item, key)...)
		}
	}
	return found
}
