package stacks

import (
	"fmt"
	"strings"
)

// Place is where a deployment runs, as far as names depend on it.
type Place struct {
	Region  string
	Account string // 12 digits
	// QueueURL returns the URL of the queue with that name.
	QueueURL func(name string) string
}

// attribute returns the value of Ref (attr "") or Fn::GetAtt for a resource.
func (s *scope) attribute(id, attr string) (any, error) {
	r, ok := s.template.Resources[id]
	if !ok {
		return nil, fmt.Errorf("the template has no resource %s", id)
	}
	if output, ok := strings.CutPrefix(attr, "Outputs."); ok && r.Nested != nil {
		inner := s.nested[id]
		v, ok := r.Nested.Outputs[output]
		if !ok {
			return nil, fmt.Errorf("%s has no output %s", id, output)
		}
		return inner.value(v)
	}
	name, err := s.name(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":" + s.place.Region + ":" + s.place.Account + ":" + resource
	}
	switch r.Type + " " + attr {
	case "AWS::SQS::Queue ":
		return s.place.QueueURL(name), nil
	case "AWS::SQS::Queue QueueName":
		return name, nil
	case "AWS::SQS::Queue Arn":
		return arn("sqs", name), nil
	case "AWS::DynamoDB::Table Arn":
		return arn("dynamodb", "table/"+name), nil
	case "AWS::DynamoDB::Table StreamArn":
		return arn("dynamodb", "table/"+name+"/stream/latest"), nil
	case "AWS::Lambda::Function Arn":
		return arn("lambda", "function:"+name), nil
	case "AWS::KMS::Key Arn":
		return arn("kms", "key/"+name), nil
	}
	if attr != "" {
		name += "." + attr // only useful for comparisons
	}
	return name, nil
}

// name returns the resource's own name, or one as CloudFormation would generate it.
func (s *scope) name(r *Resource) (string, error) {
	for _, property := range []string{"QueueName", "TableName", "FunctionName"} {
		if given, ok := r.Properties[property]; ok {
			v, err := s.value(given)
			return fmt.Sprint(v), err
		}
	}
	return s.stack + "-" + r.ID, nil
}
