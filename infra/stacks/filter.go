package stacks

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Filter is one pattern of an event source mapping. It is an object with the shape of an item; each leaf is a list of
// rules. An item matches if at each leaf at least one rule holds. The rules are those of
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html except for numeric and $or.
type Filter struct{ pattern map[string]any }

// ParseFilter parses a pattern, and returns an error for a rule that it does not support.
func ParseFilter(pattern string) (Filter, error) {
	var f Filter
	if err := json.Unmarshal([]byte(pattern), &f.pattern); err != nil {
		return f, fmt.Errorf("filter: %w", err)
	}
	if len(f.pattern) == 0 {
		return f, fmt.Errorf("filter: the pattern is empty")
	}
	return f, check(f.pattern)
}

// Match reports whether the item matches the filter. The item must be as encoding/json decodes it into an any.
func (f Filter) Match(item any) bool { return matches(f.pattern, item) }

func matches(pattern map[string]any, item any) bool {
	fields := object(item)
	for name, want := range pattern {
		got, present := fields[name]
		if inner, ok := want.(map[string]any); ok {
			if !matches(inner, got) {
				return false
			}
			continue
		}
		rules, _ := want.([]any)
		if !slices.ContainsFunc(rules, func(rule any) bool { return holds(rule, got, present) }) {
			return false
		}
	}
	return true
}

func holds(rule, got any, present bool) bool {
	operator, ok := rule.(map[string]any)
	if !ok {
		return present && reflect.DeepEqual(rule, got)
	}
	text, isText := got.(string)
	for name, arg := range operator {
		want, _ := arg.(string)
		switch name {
		case "prefix":
			return isText && strings.HasPrefix(text, want)
		case "suffix":
			return isText && strings.HasSuffix(text, want)
		case "equals-ignore-case":
			return isText && strings.EqualFold(text, want)
		case "exists":
			return present == arg
		case "anything-but":
			not, _ := arg.([]any)
			return present && !slices.ContainsFunc(not, func(no any) bool { return reflect.DeepEqual(no, got) })
		}
	}
	return false
}

func check(pattern map[string]any) error {
	for name, want := range pattern {
		switch want := want.(type) {
		case map[string]any:
			if err := check(want); err != nil {
				return err
			}
		case []any:
			if len(want) == 0 {
				return fmt.Errorf("filter: the list at %s must have a rule", name)
			}
			for _, rule := range want {
				if err := checkRule(name, rule); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("filter: the value at %s must be a list of rules", name)
		}
	}
	return nil
}

func checkRule(name string, rule any) error {
	operator, ok := rule.(map[string]any)
	if !ok {
		return nil
	}
	for op, arg := range operator {
		good := len(operator) == 1
		switch op {
		case "prefix", "suffix", "equals-ignore-case":
			_, text := arg.(string)
			good = good && text
		case "exists":
			_, yes := arg.(bool)
			good = good && yes
		case "anything-but":
			_, list := arg.([]any)
			good = good && list
		default:
			good = false
		}
		if !good {
			return fmt.Errorf("filter: the rule %q at %s is not supported in this form", op, name)
		}
	}
	return nil
}
