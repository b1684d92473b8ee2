package stacks

import (
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// Template is one template as it is written, short tags in their long form.
type Template struct {
	Path       string // as Load was given it, or as the template that nests this one says it
	Parameters map[string]Parameter
	Conditions map[string]any
	Resources  map[string]*Resource
	Outputs    map[string]any // the outputs' values
}

// Parameter is what a stack is made with.
type Parameter struct {
	Type    string
	Default any // nil: there is none, and the parameter must be given
	NoEcho  bool
}

// Resource is one resource of a template.
type Resource struct {
	ID         string // logical
	Type       string // AWS::SQS::Queue
	Condition  string // "" always
	DependsOn  []string
	Properties map[string]any
	Deletion   string    // DeletionPolicy
	Nested     *Template // where the resource is a stack
}

// Load reads the template at path and those that it nests by a path relative to itself.
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
		return nil, fmt.Errorf("not a template")
	}
	t := &Template{Path: path, Parameters: map[string]Parameter{}, Resources: map[string]*Resource{}, Outputs: map[string]any{}}
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
		return nil, fmt.Errorf("%s has no type", id)
	}
	if r.Type == "AWS::CloudFormation::Stack" {
		where, _ := r.Properties["TemplateURL"].(string)
		if where == "" {
			return nil, fmt.Errorf("%s nests no template", id)
		}
		var err error
		if r.Nested, err = Load(filepath.Join(filepath.Dir(path), filepath.FromSlash(where))); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// object is v as a map; an empty one where v is none.
func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
