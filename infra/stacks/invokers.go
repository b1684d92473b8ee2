package stacks

import (
	"fmt"
	"strings"
	"time"
)

// EventSource polls a queue or a table's stream and passes batches to a function, as Lambda's event source mappings
// do. See https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.
type EventSource struct {
	Function *Function
	Queue    *Queue // either Queue or Table is set
	Table    *Table

	BatchSize   int           // maximal number of items in a batch
	Window      time.Duration // how long to wait for a batch to fill
	Partial     bool          // the function reports the failed items (ReportBatchItemFailures)
	Concurrency int           // maximal number of concurrent batches, for a stream per shard; 0: not limited
	Filters     []Filter      // the function gets items that match any of them; none: all items

	// For streams alone.
	Oldest     bool          // start with the oldest record (TRIM_HORIZON), not with the newest
	Bisect     bool          // halve a failed batch
	MaxRetries int           // -1: until the records expire
	MaxAge     time.Duration // 0: not limited
	OnFailure  *Queue        // gets a message for records that are given up; may be nil
}

// Wants reports whether the function gets the item, which must be as encoding/json decodes it into an any.
func (e *EventSource) Wants(item any) bool {
	for _, f := range e.Filters {
		if f.Match(item) {
			return true
		}
	}
	return len(e.Filters) == 0
}

// Route says which function serves requests of an HTTP API.
type Route struct {
	Method   string // "ANY" for all methods
	Path     string // "/in/{token}", "/v1/{proxy+}"; "" is the default
	Function *Function
	Timeout  time.Duration // after which the gateway answers 504
	Payload  string        // format of the event, "2.0"
}

// Schedule invokes a function periodically.
type Schedule struct {
	Function *Function
	Every    time.Duration
	Retries  int // retries of a failed invocation; -1: Lambda's default, 2
}

func invokers(d *Deployment, s *scope, r *Resource) error {
	switch r.Type {
	case "AWS::Lambda::EventSourceMapping":
		return eventSource(d, s, r)
	case "AWS::ApiGatewayV2::Route":
		return route(d, s, r)
	case "AWS::Events::Rule":
		return schedule(d, s, r)
	}
	return nil
}

func eventSource(d *Deployment, s *scope, r *Resource) error {
	p, err := s.properties(r)
	if err != nil {
		return err
	}
	e := &EventSource{
		BatchSize: p.number("BatchSize"), Window: p.seconds("MaximumBatchingWindowInSeconds"), MaxRetries: -1,
		Oldest: p.text("StartingPosition") == "TRIM_HORIZON", Bisect: p.yes("BisectBatchOnFunctionError"),
		Concurrency: p.object("ScalingConfig").number("MaximumConcurrency"),
	}
	if e.Function, err = d.functionBy(p.text("FunctionName")); err != nil {
		return err
	}
	from := p.text("EventSourceArn")
	e.Queue = d.queueByARN(from)
	for _, t := range d.Tables {
		if t.streamARN == from {
			e.Table, e.Concurrency = t, max(p.number("ParallelizationFactor"), 1)
		}
	}
	if e.Queue == nil && e.Table == nil {
		return fmt.Errorf("%s is neither a queue nor a stream of this deployment", from)
	}
	for _, kind := range p.texts("FunctionResponseTypes") {
		e.Partial = e.Partial || kind == "ReportBatchItemFailures"
	}
	if _, ok := p["MaximumRetryAttempts"]; ok {
		e.MaxRetries = p.number("MaximumRetryAttempts")
	}
	e.MaxAge = max(p.seconds("MaximumRecordAgeInSeconds"), 0)
	if to := p.object("DestinationConfig").object("OnFailure").text("Destination"); to != "" {
		if e.OnFailure = d.queueByARN(to); e.OnFailure == nil {
			return fmt.Errorf("%s is not a queue of this deployment", to)
		}
	}
	for _, f := range p.object("FilterCriteria").list("Filters") {
		filter, err := ParseFilter(f.text("Pattern"))
		if err != nil {
			return err
		}
		e.Filters = append(e.Filters, filter)
	}
	d.Sources = append(d.Sources, e)
	return nil
}

func route(d *Deployment, s *scope, r *Resource) error {
	p, err := s.properties(r)
	if err != nil {
		return err
	}
	method, path, _ := strings.Cut(p.text("RouteKey"), " ")
	if method == "$default" {
		method = "ANY"
	}
	for _, id := range s.ids() {
		i := s.template.Resources[id]
		if i.Type != "AWS::ApiGatewayV2::Integration" || p.text("Target") != "integrations/"+s.stack+"-"+id {
			continue
		}
		to, err := s.properties(i)
		if err != nil {
			return err
		}
		f, err := d.functionBy(to.text("IntegrationUri"))
		if err != nil {
			return err
		}
		timeout := time.Duration(to.number("TimeoutInMillis")) * time.Millisecond
		d.Routes = append(d.Routes, Route{Method: method, Path: path, Function: f, Timeout: timeout,
			Payload: to.text("PayloadFormatVersion")})
		return nil
	}
	return fmt.Errorf("%s is not an integration of this template", p.text("Target"))
}

func schedule(d *Deployment, s *scope, r *Resource) error {
	p, err := s.properties(r)
	if err != nil {
		return err
	}
	var n int
	var unit string
	if _, err := fmt.Sscanf(p.text("ScheduleExpression"), "rate(%d %s", &n, &unit); err != nil ||
		!strings.HasPrefix(unit, "minute") {
		return fmt.Errorf("the schedule %q is not supported; use rate(n minutes)", p.text("ScheduleExpression"))
	}
	for _, to := range p.list("Targets") {
		f, err := d.functionBy(to.text("Arn"))
		if err != nil {
			return err
		}
		once := Schedule{Function: f, Every: time.Duration(n) * time.Minute, Retries: -1}
		for _, other := range s.template.Resources {
			if other.Type != "AWS::Lambda::EventInvokeConfig" {
				continue
			}
			c, err := s.properties(other)
			if err != nil {
				return err
			}
			if c.text("FunctionName") == f.FullName {
				once.Retries = c.number("MaximumRetryAttempts")
			}
		}
		d.Schedules = append(d.Schedules, once)
	}
	return nil
}
