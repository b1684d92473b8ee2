package stacks

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Filter is one pattern of an event source mapping. It is an object that mirrors the item; at each leaf is a list of what may be
// there. An item matches where at every leaf one thing of the list holds. The rules here are those of
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html but for numeric and $or.
type Filter struct{ pattern map[string]any }

// ParseFilter reads a pattern, and refuses one with a rule that it does not know.
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

// Match tells whether the filter lets the item through. The item is as encoding/json decodes it into an any.
func (f Filter) Match(item any) bool { return matches(f.pattern, item) }

func matches(pattern map[string]any, item any) bool {
	fields := object(item)
	for name, want := range pattern {
		got, there := fields[name]
		if inner, ok := want.(map[string]any); ok {
			if !matches(inner, got) {
				return false
			}
			continue
		}
		rules, _ := want.([]any)
		if !slices.ContainsFunc(rules, func(rule any) bool { return holds(rule, got, there) }) {
			return false
		}
	}
	return true
}

func holds(rule, got any, there bool) bool {
	operator, ok := rule.(map[string]any)
	if !ok {
		return there && reflect.DeepEqual(rule, got)
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
			return there == arg
		case "anything-but":
			not, _ := arg.([]any)
			return there && !slices.ContainsFunc(not, func(no any) bool { return reflect.DeepEqual(no, got) })
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
				return fmt.Errorf("filter: nothing may be at %s", name)
			}
			for _, rule := range want {
				if err := checkRule(name, rule); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("filter: what may be at %s is not a list", name)
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
			return fmt.Errorf("filter: the rule %q at %s is not known here, in this form", op, name)
		}
	}
	return nil
}
