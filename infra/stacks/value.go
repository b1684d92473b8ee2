package stacks

import (
	"fmt"
	"regexp"
	"strings"
)

// scope is a stack that is being computed: a template, its parameters, and the stacks that it nests. It is read-only
// once open.
type scope struct {
	template   *Template
	place      *Place
	stack      string
	parameters map[string]any
	nested     map[string]*scope
}

// noValue is the value of AWS::NoValue: its property or item is left out.
type noValue struct{}

// value returns v with its functions evaluated.
func (s *scope) value(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 {
			for name, arg := range v {
				if name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::") {
					return s.function(name, arg)
				}
			}
		}
		m := make(map[string]any, len(v))
		for k, item := range v {
			got, err := s.value(item)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			if _, none := got.(noValue); !none {
				m[k] = got
			}
		}
		return m, nil
	case []any:
		list := make([]any, 0, len(v))
		for _, item := range v {
			got, err := s.value(item)
			if err != nil {
				return nil, err
			}
			if _, none := got.(noValue); !none {
				list = append(list, got)
			}
		}
		return list, nil
	}
	return v, nil
}

func (s *scope) function(name string, arg any) (any, error) {
	args, _ := arg.([]any)
	switch {
	case name == "Ref":
		return s.ref(fmt.Sprint(arg))
	case name == "Fn::Sub":
		return s.sub(arg)
	case name == "Fn::GetAtt" && len(args) == 2:
		return s.attribute(fmt.Sprint(args[0]), fmt.Sprint(args[1]))
	case name == "Fn::If" && len(args) == 3:
		holds, err := s.holds(fmt.Sprint(args[0]))
		if err != nil {
			return nil, err
		}
		if holds {
			return s.value(args[1])
		}
		return s.value(args[2])
	case name == "Condition":
		return s.holds(fmt.Sprint(arg))
	case name == "Fn::Equals" && len(args) == 2:
		vs, err := s.value(args)
		if err != nil {
			return nil, err
		}
		pair := vs.([]any)
		return fmt.Sprint(pair[0]) == fmt.Sprint(pair[1]), nil
	case name == "Fn::Not" && len(args) == 1:
		v, err := s.value(args[0])
		holds, _ := v.(bool)
		return !holds, err
	case name == "Fn::And":
		for _, a := range args {
			v, err := s.value(a)
			if holds, _ := v.(bool); err != nil || !holds {
				return false, err
			}
		}
		return true, nil
	}
	return nil, fmt.Errorf("%s is not supported in this form", name)
}

// holds reports whether the condition is true; "" always is.
func (s *scope) holds(condition string) (bool, error) {
	if condition == "" {
		return true, nil
	}
	c, ok := s.template.Conditions[condition]
	if !ok {
		return false, fmt.Errorf("the template has no condition %s", condition)
	}
	v, err := s.value(c)
	holds, _ := v.(bool)
	return holds, err
}

func (s *scope) ref(name string) (any, error) {
	switch name {
	case "AWS::StackName":
		return s.stack, nil
	case "AWS::Region":
		return s.place.Region, nil
	case "AWS::AccountId":
		return s.place.Account, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::NoValue":
		return noValue{}, nil
	}
	if v, ok := s.parameters[name]; ok {
		return v, nil
	}
	return s.attribute(name, "")
}

var variable = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

func (s *scope) sub(arg any) (any, error) {
	text, ok := arg.(string)
	if !ok {
		return nil, fmt.Errorf("Fn::Sub is supported with a string alone")
	}
	var failed error
	done := variable.ReplaceAllStringFunc(text, func(m string) string {
		name := strings.TrimSpace(m[2 : len(m)-1])
		var v any
		var err error
		if id, attr, dotted := strings.Cut(name, "."); dotted {
			v, err = s.attribute(id, attr)
		} else {
			v, err = s.ref(name)
		}
		if err != nil {
			failed = err
		}
		return fmt.Sprint(v)
	})
	return strings.ReplaceAll(done, "${!", "${"), failed
}
