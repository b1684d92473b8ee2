package stacks_test

import (
	"encoding/json"
	"testing"

	"github.com/hookcast/hookcast/infra/stacks"
)

func TestFilterMatchesAsLambdaDoes(t *testing.T) {
	const item = `{"eventName":"INSERT","n":3,"gone":null,"dynamodb":{"NewImage":{"k":{"S":"log"}}}}`
	for _, c := range []struct {
		pattern string
		want    bool
	}{
		{`{"eventName":["INSERT"]}`, true},
		{`{"eventName":["REMOVE","INSERT"]}`, true},
		{`{"eventName":["REMOVE"]}`, false},
		{`{"eventName":["INSERT"],"n":[4]}`, false},
		{`{"eventName":["INSERT"],"n":[3]}`, true},
		{`{"dynamodb":{"NewImage":{"k":{"S":["log"]}}}}`, true},
		{`{"dynamodb":{"OldImage":{"k":{"S":["log"]}}}}`, false},
		{`{"dynamodb":{"OldImage":{"k":[{"exists":false}]}}}`, true},
		{`{"eventName":[{"exists":true}]}`, true},
		{`{"eventName":[{"prefix":"INS"}]}`, true},
		{`{"eventName":[{"prefix":"SER"}]}`, false},
		{`{"eventName":[{"suffix":"ERT"}]}`, true},
		{`{"eventName":[{"suffix":"INS"}]}`, false},
		{`{"eventName":[{"equals-ignore-case":"insert"}]}`, true},
		{`{"eventName":["insert"]}`, false},
		{`{"eventName":[{"anything-but":["REMOVE"]}]}`, true},
		{`{"eventName":[{"anything-but":["REMOVE","INSERT"]}]}`, false},
		{`{"none":[{"anything-but":["REMOVE"]}]}`, false},
		{`{"gone":[null]}`, true},
		{`{"none":[null]}`, false},
	} {
		f, err := stacks.ParseFilter(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(item), &v); err != nil {
			t.Fatal(err)
		}
		if got := f.Match(v); got != c.want {
			t.Errorf("%s matches: %v, want %v", c.pattern, got, c.want)
		}
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"a":"b"}`, `{"a":[]}`, `{"a":[{"numeric":["=",1]}]}`,
		`{"a":[{"prefix":1}]}`, `{"a":[{"prefix":"x","suffix":"y"}]}`, `{"a":{"b":1}}`} {
		if _, err := stacks.ParseFilter(bad); err == nil {
			t.Errorf("the pattern %s is accepted, want an error", bad)
		}
	}
}
