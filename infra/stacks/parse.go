package stacks

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// parse converts a node to maps, slices, strings, ints, floats, bools and nil. Short tags get their long form: !Ref X
// is {"Ref": "X"}, !GetAtt X.Arn is {"Fn::GetAtt": ["X", "Arn"]}.
//
// Aliases and repeated keys are errors: CloudFormation does not support aliases, and uses one of the repeated keys
// silently. See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html.
func parse(n *yaml.Node) (any, error) {
	tag := n.ShortTag()
	if strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!") {
		return parseShort(n, strings.TrimPrefix(tag, "!"))
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return parse(n.Content[0])
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			k := n.Content[i].Value
			if _, twice := m[k]; twice {
				return nil, fmt.Errorf("line %d: the key %s appears twice", n.Content[i].Line, k)
			}
			v, err := parse(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[k] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			v, err := parse(c)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case yaml.ScalarNode:
		var v any
		if tag == "!!timestamp" { // an unquoted "2012-10-17": CloudFormation reads it as a string
			return n.Value, nil
		}
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d: %w", n.Line, err)
		}
		return v, nil
	default:
		return nil, fmt.Errorf("line %d: CloudFormation does not support aliases", n.Line)
	}
}

func parseShort(n *yaml.Node, name string) (any, error) {
	plain := *n
	plain.Tag = ""
	if n.Kind == yaml.ScalarNode {
		plain.Tag = "!!str"
	}
	v, err := parse(&plain)
	if err != nil {
		return nil, err
	}
	switch name {
	case "Ref", "Condition":
		return map[string]any{name: v}, nil
	case "GetAtt":
		if text, ok := v.(string); ok {
			resource, attr, _ := strings.Cut(text, ".")
			v = []any{resource, attr}
		}
	}
	return map[string]any{"Fn::" + name: v}, nil
}
