package stacks

import (
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// Template is a template as written, with short tags in their long form.
type Template struct {
	Path       string // the argument of Load, or the path in the template that nests this one
	Parameters map[string]Parameter
	Conditions map[string]any
	Resources  map[string]*Resource
	Outputs    map[string]any // values of the outputs
}

// Parameter is a parameter of a template.
type Parameter struct {
	Type    string
	Default any // nil: the parameter must be given
	NoEcho  bool
}

// Resource is one resource of a template.
type Resource struct {
	ID         string // logical id
	Type       string // such as AWS::SQS::Queue
	Condition  string // "": the resource always exists
	DependsOn  []string
	Properties map[string]any
	Deletion   string    // DeletionPolicy
	Nested     *Template // the template, if the resource is a stack
}

// Load reads the template at path and the templates that it nests by relative paths.
func Load(path string) (*Template, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := read(path, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func read(path string, raw []byte) (*Template, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	v, err := parse(&doc)
	if err != nil {
		return nil, err
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the file is not a template")
	}
	t := &Template{Path: path, Parameters: map[string]Parameter{}, Resources: map[string]*Resource{},
		Outputs: map[string]any{}}
	t.Conditions, _ = root["Conditions"].(map[string]any)
	for name, p := range object(root["Parameters"]) {
		fields := object(p)
		kind, _ := fields["Type"].(string)
		noEcho, _ := fields["NoEcho"].(bool)
		t.Parameters[name] = Parameter{Type: kind, Default: fields["Default"], NoEcho: noEcho}
	}
	for name, o := range object(root["Outputs"]) {
		t.Outputs[name] = object(o)["Value"]
	}
	for id, r := range object(root["Resources"]) {
		if t.Resources[id], err = resource(path, id, object(r)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func resource(path, id string, fields map[string]any) (*Resource, error) {
	r := &Resource{ID: id, Properties: object(fields["Properties"])}
	r.Type, _ = fields["Type"].(string)
	r.Condition, _ = fields["Condition"].(string)
	r.Deletion, _ = fields["DeletionPolicy"].(string)
	switch d := fields["DependsOn"].(type) {
	case string:
		r.DependsOn = []string{d}
	case []any:
		for _, one := range d {
			name, _ := one.(string)
			r.DependsOn = append(r.DependsOn, name)
		}
	}
	if r.Type == "" {
		return nil, fmt.Errorf("the resource %s has no type", id)
	}
	if r.Type == "AWS::CloudFormation::Stack" {
		where, _ := r.Properties["TemplateURL"].(string)
		if where == "" {
			return nil, fmt.Errorf("the stack %s nests no template", id)
		}
		var err error
		if r.Nested, err = Load(filepath.Join(filepath.Dir(path), filepath.FromSlash(where))); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// object returns v as a map, or nil if it is not one.
func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
