package stacks

import (
	"fmt"
	"strconv"
	"time"
)

// properties are the computed properties of a resource. Its methods return the zero value for a missing property: the
// validator checks which must exist and their types.
type properties map[string]any

func (s *scope) properties(r *Resource) (properties, error) {
	v, err := s.value(r.Properties)
	return object(v), err
}

func (s *scope) nameARN(r *Resource) (name, arn string, err error) {
	if name, err = s.name(r); err != nil {
		return "", "", err
	}
	v, err := s.attribute(r.ID, "Arn")
	return name, fmt.Sprint(v), err
}

func (p properties) text(name string) string {
	if v, ok := p[name]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// number accepts a string, too, since a parameter's value may be one.
func (p properties) number(name string) int {
	n, _ := strconv.Atoi(p.text(name))
	return n
}

func (p properties) seconds(name string) time.Duration {
	return time.Duration(p.number(name)) * time.Second
}

func (p properties) yes(name string) bool { return p.text(name) == "true" }

func (p properties) object(name string) properties { return object(p[name]) }

func (p properties) list(name string) []properties {
	items, _ := p[name].([]any)
	list := make([]properties, len(items))
	for i, item := range items {
		list[i] = object(item)
	}
	return list
}

func (p properties) texts(name string) []string {
	items, _ := p[name].([]any)
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = fmt.Sprint(item)
	}
	return list
}

func environment(v properties) map[string]string {
	env := make(map[string]string, len(v))
	for name, value := range v {
		env[name] = fmt.Sprint(value)
	}
	return env
}
