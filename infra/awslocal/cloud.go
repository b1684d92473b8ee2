package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/infra/awslocal/emulator"
	"github.com/hookcast/hookcast/infra/stacks"
)

const (
	region    = "us-east-1"
	accountID = "000000000000"
)

// cloud holds the servers that stand in for AWS. tables, streams and queues are awslocal's own clients, which bypass
// a proxy.
type cloud struct {
	dynamodb, sqs *emulator.Server
	kms           *http.Server
	endpoints     []string          // environment variables for functions and nodes
	urls          map[string]string // URLs of queues by name

	tables  *dynamodb.Client
	streams *dynamodbstreams.Client
	queues  *sqs.Client
}

// openCloud starts the servers.
func openCloud(ctx context.Context, keyARN string, through func(service, url string) (string, error)) (_ *cloud,
	err error) {
	c := &cloud{urls: make(map[string]string)}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.dynamodb, err = emulator.DynamoDB(ctx); err != nil {
		return nil, err
	}
	if c.sqs, err = emulator.SQS(ctx); err != nil {
		return nil, err
	}
	kmsURL, err := c.serveKMS(keyARN)
	if err != nil {
		return nil, err
	}
	if through == nil {
		through = func(_, url string) (string, error) { return url, nil }
	}
	for _, s := range []struct{ service, url, variable string }{
		{"dynamodb", c.dynamodb.URL, "DYNAMODB"}, {"sqs", c.sqs.URL, "SQS"}, {"kms", kmsURL, "KMS"},
	} {
		url, err := through(s.service, s.url)
		if err != nil {
			return nil, err
		}
		c.endpoints = append(c.endpoints, "AWS_ENDPOINT_URL_"+s.variable+"="+url)
	}
	cfg := aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider("awslocal", "awslocal", "")}
	c.tables = dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.BaseEndpoint = &c.dynamodb.URL })
	c.streams = dynamodbstreams.NewFromConfig(cfg, func(o *dynamodbstreams.Options) {
		o.BaseEndpoint = &c.dynamodb.URL
	})
	c.queues = sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = &c.sqs.URL })
	return c, nil
}

func (c *cloud) serveKMS(keyARN string) (url string, err error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	handler, err := emulator.NewKMS(keyARN, secret)
	if err != nil {
		return "", err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	c.kms = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = c.kms.Serve(ln) }() // runs until close
	return "http://" + ln.Addr().String(), nil
}

func (c *cloud) close() {
	if c.kms != nil {
		_ = c.kms.Close()
	}
	if c.sqs != nil {
		c.sqs.Stop()
	}
	if c.dynamodb != nil {
		c.dynamodb.Stop()
	}
}

// makeTable creates the table and returns its stream's ARN, or "" if it has no stream.
func (c *cloud) makeTable(ctx context.Context, t *stacks.Table) (stream string, err error) {
	in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: dynamotypes.BillingModePayPerRequest}
	for _, k := range []struct {
		name string
		kind dynamotypes.KeyType
	}{{t.PartitionKey, dynamotypes.KeyTypeHash}, {t.SortKey, dynamotypes.KeyTypeRange}} {
		if k.name == "" {
			continue
		}
		in.KeySchema = append(in.KeySchema, dynamotypes.KeySchemaElement{AttributeName: aws.String(k.name),
			KeyType: k.kind})
		in.AttributeDefinitions = append(in.AttributeDefinitions, dynamotypes.AttributeDefinition{
			AttributeName: aws.String(k.name), AttributeType: dynamotypes.ScalarAttributeType(t.KeyTypes[k.name]),
		})
	}
	if t.StreamView != "" {
		in.StreamSpecification = &dynamotypes.StreamSpecification{StreamEnabled: aws.Bool(true),
			StreamViewType: dynamotypes.StreamViewType(t.StreamView)}
	}
	out, err := c.tables.CreateTable(ctx, in)
	if err != nil {
		return "", fmt.Errorf("creating the table: %w", err)
	}
	if t.TTL != "" {
		_, err = c.tables.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
			TableName: &t.Name, TimeToLiveSpecification: &dynamotypes.TimeToLiveSpecification{AttributeName: &t.TTL,
				Enabled: aws.Bool(true)},
		})
	}
	return aws.ToString(out.TableDescription.LatestStreamArn), err
}

// makeQueues creates the queues, dead-letter queues first.
func (c *cloud) makeQueues(ctx context.Context, queues []*stacks.Queue) error {
	made := make(map[*stacks.Queue]bool)
	for len(made) < len(queues) {
		before := len(made)
		for _, q := range queues {
			if made[q] || q.DeadLetters != nil && !made[q.DeadLetters] {
				continue
			}
			if err := c.makeQueue(ctx, q); err != nil {
				return fmt.Errorf("creating the queue %s: %w", q.Name, err)
			}
			made[q] = true
		}
		if len(made) == before {
			return fmt.Errorf("the queues' dead-letter queues form a cycle")
		}
	}
	return nil
}

func (c *cloud) makeQueue(ctx context.Context, q *stacks.Queue) error {
	attributes := make(map[string]string)
	for k, v := range q.Attributes {
		attributes[k] = v
	}
	if q.DeadLetters != nil {
		attributes[string(sqstypes.QueueAttributeNameRedrivePolicy)] =
			fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, q.DeadLetters.ARN, q.MaxReceives)
	}
	out, err := c.queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.Name, Attributes: attributes})
	if err != nil {
		return err
	}
	c.urls[q.Name] = aws.ToString(out.QueueUrl)
	return nil
}
