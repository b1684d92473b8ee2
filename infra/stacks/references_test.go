package stacks_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/infra/stacks"
)

var pseudo = []string{"AWS::AccountId", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackName",
	"AWS::URLSuffix"}

func TestEveryNameIsThere(t *testing.T) {
	for path, one := range all(t) {
		for _, ref := range references(one) {
			_, parameter := one.Parameters[ref.Name]
			_, condition := one.Conditions[ref.Name]
			_, resource := one.Resources[ref.Name]
			switch {
			case ref.Condition && condition,
				!ref.Condition && ref.Attribute != "" && resource,
				!ref.Condition && ref.Attribute == "" && (parameter || resource || slices.Contains(pseudo, ref.Name)):
			default:
				t.Errorf("%s refers to %+v, which does not exist", path, ref)
			}
		}
	}
}

func TestEveryParameterAndConditionIsUsed(t *testing.T) {
	for path, one := range all(t) {
		used := make(map[string]bool)
		for _, ref := range references(one) {
			used[ref.Name] = true
		}
		for name := range one.Parameters {
			if !used[name] {
				t.Errorf("%s: the parameter %s is not used", path, name)
			}
		}
		for name := range one.Conditions {
			if !used[name] {
				t.Errorf("%s: the condition %s is not used", path, name)
			}
		}
	}
}

func TestNestedStacksAreGivenWhatTheyDeclare(t *testing.T) {
	for path, one := range all(t) {
		for id, r := range one.Resources {
			if r.Nested == nil {
				continue
			}
			given, _ := r.Properties["Parameters"].(map[string]any)
			for name, v := range given {
				p, ok := r.Nested.Parameters[name]
				if !ok {
					t.Errorf("%s: the template of %s has no parameter %s", path, id, name)
				}
				for _, ref := range stacks.References(v) {
					if one.Parameters[ref.Name].NoEcho && !p.NoEcho {
						t.Errorf("%s: %s passes %s on without NoEcho", path, id, name)
					}
				}
			}
			for name, p := range r.Nested.Parameters {
				if _, ok := given[name]; !ok && p.Default == nil {
					t.Errorf("%s: %s does not get the parameter %s", path, id, name)
				}
			}
		}
	}
}

func TestOutputsThatAreUsedAreThere(t *testing.T) {
	for path, one := range all(t) {
		used := make(map[string]bool)
		for _, ref := range references(one) {
			output, ok := strings.CutPrefix(ref.Attribute, "Outputs.")
			if !ok {
				continue
			}
			used[ref.Name+"."+output] = true
			r := one.Resources[ref.Name]
			if r == nil || r.Nested == nil {
				t.Errorf("%s: %s is not a nested stack", path, ref.Name)
			} else if _, ok := r.Nested.Outputs[output]; !ok {
				t.Errorf("%s: %s has no output %s", path, ref.Name, output)
			}
		}
		for id, r := range one.Resources {
			if r.Nested == nil {
				continue
			}
			for output := range r.Nested.Outputs {
				if !used[id+"."+output] {
					t.Errorf("%s: the output %s of %s is not used", path, output, id)
				}
			}
		}
	}
}

// references returns all references in a template.
func references(one *stacks.Template) []stacks.Reference {
	var refs []stacks.Reference
	for _, r := range one.Resources {
		refs = append(refs, stacks.References(r.Properties)...)
		for _, name := range r.DependsOn {
			refs = append(refs, stacks.Reference{Name: name})
		}
		if r.Condition != "" {
			refs = append(refs, stacks.Reference{Name: r.Condition, Condition: true})
		}
	}
	for _, v := range one.Outputs {
		refs = append(refs, stacks.References(v)...)
	}
	for _, v := range one.Conditions {
		refs = append(refs, stacks.References(v)...)
	}
	return refs
}
