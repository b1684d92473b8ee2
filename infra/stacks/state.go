package stacks

import (
	"fmt"
	"strings"
	"time"
)

// Table is a DynamoDB table.
type Table struct {
	Name          string
	ARN           string
	PartitionKey  string            // name of the attribute
	SortKey       string            // "" without a sort key
	KeyTypes      map[string]string // S, N or B by attribute, for both keys
	TTL           string            // the attribute with a row's expiry; "" if rows do not expire
	StreamView    string            // such as NEW_IMAGE; "" without a stream
	streamARN     string
	OnDemand      bool
	PointInTime   bool // point-in-time recovery is on
	DeleteRefused bool // deletion protection is on
}

// Queue is an SQS queue.
type Queue struct {
	Name        string
	ARN         string
	URL         string
	FIFO        bool
	Visibility  time.Duration // default 30 s, as in SQS
	Retention   time.Duration // default 4 days, as in SQS
	MaxReceives int           // after which a message goes to DeadLetters; 0: never
	DeadLetters *Queue

	// Attributes are the attributes for CreateQueue, by SQS's names, without RedrivePolicy and RedriveAllowPolicy.
	Attributes map[string]string

	deadLettersARN string
}

func state(d *Deployment, s *scope, r *Resource) error {
	switch r.Type {
	case "AWS::DynamoDB::Table":
		return table(d, s, r)
	case "AWS::SQS::Queue":
		return queue(d, s, r)
	}
	return nil
}

func table(d *Deployment, s *scope, r *Resource) error {
	p, err := s.properties(r)
	if err != nil {
		return err
	}
	t := &Table{KeyTypes: map[string]string{}}
	if t.Name, t.ARN, err = s.nameARN(r); err != nil {
		return err
	}
	for _, k := range p.list("KeySchema") {
		switch k.text("KeyType") {
		case "HASH":
			t.PartitionKey = k.text("AttributeName")
		case "RANGE":
			t.SortKey = k.text("AttributeName")
		}
	}
	for _, a := range p.list("AttributeDefinitions") {
		t.KeyTypes[a.text("AttributeName")] = a.text("AttributeType")
	}
	if ttl := p.object("TimeToLiveSpecification"); ttl.yes("Enabled") {
		t.TTL = ttl.text("AttributeName")
	}
	t.StreamView = p.object("StreamSpecification").text("StreamViewType")
	arn, err := s.attribute(r.ID, "StreamArn")
	t.streamARN = fmt.Sprint(arn)
	t.OnDemand = p.text("BillingMode") == "PAY_PER_REQUEST"
	t.PointInTime = p.object("PointInTimeRecoverySpecification").yes("PointInTimeRecoveryEnabled")
	t.DeleteRefused = p.yes("DeletionProtectionEnabled")
	d.Tables = append(d.Tables, t)
	return err
}

func queue(d *Deployment, s *scope, r *Resource) error {
	p, err := s.properties(r)
	if err != nil {
		return err
	}
	q := &Queue{Attributes: map[string]string{}, Visibility: 30 * time.Second, Retention: 4 * 24 * time.Hour}
	if q.Name, q.ARN, err = s.nameARN(r); err != nil {
		return err
	}
	q.URL, q.FIFO = s.place.QueueURL(q.Name), p.yes("FifoQueue")
	for k, v := range p {
		switch k {
		case "QueueName", "Tags", "RedrivePolicy", "RedriveAllowPolicy":
		default:
			q.Attributes[k] = fmt.Sprint(v)
		}
	}
	if q.FIFO != strings.HasSuffix(q.Name, ".fifo") {
		return fmt.Errorf("the name of a FIFO queue must end with .fifo, and no other name may")
	}
	if _, ok := p["VisibilityTimeout"]; ok {
		q.Visibility = p.seconds("VisibilityTimeout")
	}
	if _, ok := p["MessageRetentionPeriod"]; ok {
		q.Retention = p.seconds("MessageRetentionPeriod")
	}
	if redrive := p.object("RedrivePolicy"); len(redrive) > 0 {
		q.MaxReceives, q.deadLettersARN = redrive.number("maxReceiveCount"), redrive.text("deadLetterTargetArn")
	}
	d.Queues = append(d.Queues, q)
	for _, one := range d.Queues {
		one.DeadLetters = d.queueByARN(one.deadLettersARN)
	}
	return nil
}

func (d *Deployment) queueByARN(arn string) *Queue {
	for _, q := range d.Queues {
		if arn != "" && q.ARN == arn {
			return q
		}
	}
	return nil
}
