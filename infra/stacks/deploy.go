package stacks

import (
	"fmt"
	"slices"
	"strings"
)

// Deployment describes what one stack of a template would create: stores, programs, and what invokes these. It leaves
// out resources of other types.
type Deployment struct {
	Tables    []*Table
	Queues    []*Queue
	Functions []*Function
	Sources   []*EventSource
	Routes    []Route
	Schedules []Schedule
	Tasks     []*Task
}

// Deploy computes the stack of t with that name. Parameters without a default must be given; an unknown parameter is
// an error. Everything is in the order of logical ids.
func (t *Template) Deploy(stack string, at Place, parameters map[string]string) (*Deployment, error) {
	root := &scope{template: t, place: &at, stack: stack, parameters: map[string]any{}}
	for name, v := range parameters {
		if _, ok := t.Parameters[name]; !ok {
			return nil, fmt.Errorf("%s: the template has no parameter %s", t.Path, name)
		}
		root.parameters[name] = v
	}
	if err := root.open(); err != nil {
		return nil, err
	}
	d := &Deployment{}
	for _, build := range []func(*Deployment, *scope, *Resource) error{state, functions, tasks, invokers} {
		if err := root.each(func(s *scope, r *Resource) error { return build(d, s, r) }); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// open sets the parameters that were not given to their defaults, and opens the nested stacks. Their parameters may
// depend on each other's outputs, so all scopes exist before the first is opened, and values are computed on demand.
func (s *scope) open() error {
	for name, p := range s.template.Parameters {
		if _, given := s.parameters[name]; given {
			continue
		}
		if p.Default == nil {
			return fmt.Errorf("%s: parameter %s is not given", s.template.Path, name)
		}
		s.parameters[name] = p.Default
	}
	s.nested = make(map[string]*scope)
	for _, id := range s.ids() {
		if r := s.template.Resources[id]; r.Nested != nil {
			s.nested[id] = &scope{template: r.Nested, place: s.place, stack: s.stack + "-" + id,
				parameters: map[string]any{}}
		}
	}
	for waiting := len(s.nested); waiting > 0; waiting-- { // each round opens at least one, unless there is a cycle
		for id, inner := range s.nested {
			if inner.nested != nil || !s.ready(s.template.Resources[id]) {
				continue
			}
			given, err := s.value(s.template.Resources[id].Properties["Parameters"])
			if err != nil {
				return fmt.Errorf("%s: %s: %w", s.template.Path, id, err)
			}
			for name, v := range object(given) {
				if _, ok := inner.template.Parameters[name]; !ok {
					return fmt.Errorf("%s: the template of %s has no parameter %s", s.template.Path, id, name)
				}
				inner.parameters[name] = v
			}
			if err := inner.open(); err != nil {
				return err
			}
		}
	}
	for id, inner := range s.nested {
		if inner.nested == nil {
			return fmt.Errorf("%s: the parameters of %s depend on its own outputs", s.template.Path, id)
		}
	}
	return nil
}

// ready reports whether every stack that r refers to is open.
func (s *scope) ready(r *Resource) bool {
	return !slices.ContainsFunc(References(r.Properties), func(ref Reference) bool {
		inner, ok := s.nested[ref.Name]
		return ok && inner.nested == nil
	})
}

func (s *scope) ids() []string {
	ids := make([]string, 0, len(s.template.Resources))
	for id := range s.template.Resources {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// each calls f for every resource whose condition holds, including those of nested stacks.
func (s *scope) each(f func(*scope, *Resource) error) error {
	for _, id := range s.ids() {
		r := s.template.Resources[id]
		holds, err := s.holds(r.Condition)
		if err == nil && holds {
			if inner, ok := s.nested[id]; ok {
				err = inner.each(f)
			} else {
				err = f(s, r)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", s.template.Path, id, err)
		}
	}
	return nil
}

// Reference is a name to which a value refers by Ref, Fn::GetAtt, Fn::Sub or a condition.
type Reference struct {
	Name      string
	Attribute string // set by Fn::GetAtt and by the dotted form of Fn::Sub
	Condition bool   // whether Name is a condition
}

// References returns all references in v.
func References(v any) []Reference {
	var refs []Reference
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			refs = append(refs, References(item)...)
		}
	case map[string]any:
		for k, item := range v {
			args, _ := item.([]any)
			text, isText := item.(string)
			switch {
			case len(v) == 1 && k == "Ref":
				refs = append(refs, Reference{Name: text})
				continue
			case len(v) == 1 && k == "Condition" && isText:
				refs = append(refs, Reference{Name: text, Condition: true})
			case k == "Fn::If" && len(args) == 3:
				refs = append(refs, Reference{Name: fmt.Sprint(args[0]), Condition: true})
			case k == "Fn::GetAtt" && len(args) == 2:
				refs = append(refs, Reference{Name: fmt.Sprint(args[0]), Attribute: fmt.Sprint(args[1])})
			case k == "Fn::Sub" && isText:
				for _, m := range variable.FindAllStringSubmatch(text, -1) {
					name, attr, _ := strings.Cut(strings.TrimSpace(m[1]), ".")
					refs = append(refs, Reference{Name: name, Attribute: attr})
				}
			}
			refs = append(refs, References(item)...)
		}
	}
	return refs
}
