package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/hookcast/hookcast/infra/stacks"
)

// queuePoller passes a queue's messages to a function, as an event source mapping does. Failed messages stay in the
// queue and return after their visibility timeout. See
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html.
type queuePoller struct {
	queues *sqs.Client
	source *stacks.EventSource
	url    string
	invoke invoker
	log    *slog.Logger
}

// invoker passes a batch to a function and returns its answer.
type invoker func(ctx context.Context, payload []byte) ([]byte, error)

// run polls until ctx ends, with at most pollers batches at a time; it returns once the batches in progress are
// processed.
func (p *queuePoller) run(ctx context.Context, pollers int) {
	if most := p.source.Concurrency; most > 0 {
		pollers = min(pollers, most)
	}
	var all sync.WaitGroup
	for range pollers {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := p.poll(ctx); err != nil && ctx.Err() == nil {
					p.log.Warn("a queue could not be polled", "queue", p.source.Queue.Name, "error", err)
					sleep(ctx, time.Second)
				}
			}
		})
	}
	all.Wait()
}

func (p *queuePoller) poll(ctx context.Context) error {
	out, err := p.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &p.url, MaxNumberOfMessages: int32(min(p.source.BatchSize, 10)), WaitTimeSeconds: 20,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil || len(out.Messages) == 0 {
		return err
	}
	e := events.SQSEvent{Records: make([]events.SQSMessage, len(out.Messages))}
	for i, m := range out.Messages {
		e.Records[i] = events.SQSMessage{
			MessageId: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle),
			Body:      aws.ToString(m.Body),
			Md5OfBody: aws.ToString(m.MD5OfBody), Attributes: m.Attributes,
			MessageAttributes: map[string]events.SQSMessageAttribute{},
			EventSource:       "aws:sqs", EventSourceARN: p.source.Queue.ARN, AWSRegion: region,
		}
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the messages are received: process them to the end
	answer, err := p.invoke(ctx, payload)
	if err != nil {
		return err
	}
	return p.done(ctx, e.Records, p.failed(answer, e.Records))
}

// failed returns the ids of the messages that the function reports as failed.
func (p *queuePoller) failed(answer []byte, ms []events.SQSMessage) map[string]bool {
	failed := make(map[string]bool)
	if !p.source.Partial {
		return failed
	}
	ids := make(map[string]bool)
	for _, m := range ms {
		ids[m.MessageId] = true
	}
	var response events.SQSEventResponse
	err := json.Unmarshal(answer, &response)
	for _, f := range response.BatchItemFailures {
		if !ids[f.ItemIdentifier] {
			return ids
		}
		failed[f.ItemIdentifier] = true
	}
	if err != nil {
		return ids // an invalid answer means that all have failed
	}
	return failed
}

// done deletes the messages that did not fail.
func (p *queuePoller) done(ctx context.Context, ms []events.SQSMessage, failed map[string]bool) error {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &p.url}
	for i, m := range ms {
		if !failed[m.MessageId] {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)),
				ReceiptHandle: &ms[i].ReceiptHandle})
		}
	}
	if len(in.Entries) == 0 {
		return nil
	}
	_, err := p.queues.DeleteMessageBatch(ctx, in)
	return err
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
