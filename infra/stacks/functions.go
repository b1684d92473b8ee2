package stacks

import (
	"fmt"
	"path"
	"time"
)

// Function is a Lambda function.
type Function struct {
	Name        string // name in this repository: ingest, append, …
	FullName    string // name on AWS
	ARN         string
	Environment map[string]string
	Timeout     time.Duration
	MemoryMB    int
	Runtime     string
	Machine     string // arm64 or x86_64
}

// Task is an ECS task with one container.
type Task struct {
	Name        string // name of the container
	Environment map[string]string
	StopTimeout time.Duration
	Files       int // limit of open files, connections included
}

// Function returns the function of that name, or nil.
func (d *Deployment) Function(name string) *Function {
	for _, f := range d.Functions {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// functionBy returns the function with the full name or the ARN text.
func (d *Deployment) functionBy(text string) (*Function, error) {
	for _, f := range d.Functions {
		if f.ARN == text || f.FullName == text {
			return f, nil
		}
	}
	return nil, fmt.Errorf("the deployment has no function %s", text)
}

func functions(d *Deployment, s *scope, r *Resource) error {
	if r.Type != "AWS::Lambda::Function" {
		return nil
	}
	p, err := s.properties(r)
	if err != nil {
		return err
	}
	f := &Function{
		Name: path.Base(p.text("Code")), Timeout: p.seconds("Timeout"), MemoryMB: p.number("MemorySize"),
		Runtime:     p.text("Runtime"),
		Environment: environment(p.object("Environment").object("Variables")),
	}
	if machines := p.texts("Architectures"); len(machines) == 1 {
		f.Machine = machines[0]
	}
	f.FullName, f.ARN, err = s.nameARN(r)
	d.Functions = append(d.Functions, f)
	return err
}

func tasks(d *Deployment, s *scope, r *Resource) error {
	if r.Type != "AWS::ECS::TaskDefinition" {
		return nil
	}
	p, err := s.properties(r)
	if err != nil {
		return err
	}
	for _, c := range p.list("ContainerDefinitions") {
		t := &Task{Name: c.text("Name"), Environment: map[string]string{}, StopTimeout: c.seconds("StopTimeout")}
		for _, v := range c.list("Environment") {
			t.Environment[v.text("Name")] = v.text("Value")
		}
		for _, u := range c.list("Ulimits") {
			if u.text("Name") == "nofile" {
				t.Files = u.number("SoftLimit")
			}
		}
		d.Tasks = append(d.Tasks, t)
	}
	return nil
}
