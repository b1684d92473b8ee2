package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/infra/awslocal/between"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/tenants"
)

// through puts the storm's proxy between the deployment's processes and the servers.
func (s *storm) through(service, url string) (string, error) {
	var decide func(*between.Request) between.Answer
	switch service {
	case "dynamodb":
		decide = s.dynamo
	case "sqs":
		decide = s.sqs
	}
	p, err := between.Open(url, decide)
	if err != nil {
		return "", err
	}
	s.t.Cleanup(p.Close)
	return p.URL, nil
}

// dynamo causes the faults of DynamoDB.
func (s *storm) dynamo(r *between.Request) between.Answer {
	if s.strikes(throttled) {
		s.happened(throttled)
		return between.DynamoDBError("ThrottlingException")
	}
	began, writes := time.Now(), r.Op == "PutItem" || r.Op == "UpdateItem" || r.Op == "DeleteItem" ||
		r.Op == "TransactWriteItems"
	a := r.Pass()
	if writes && bytes.Contains(r.Body, []byte("#log/")) {
		switch a.Status {
		case 200:
			s.sawRow(r.Body, time.Now(), true)
			s.reached(rowStored)
		case 0: // the caller was killed in the meantime
			s.sawRow(r.Body, began, false)
		}
	}
	if writes && a.Status == 200 && s.strikes(storedFailed) {
		s.happened(storedFailed)
		if s.below(2) == 0 {
			return between.Answer{}
		}
		return between.DynamoDBError("InternalServerError")
	}
	return a
}

// sawRow records when an event's row was written, or may have been if sure is false.
func (s *storm) sawRow(body []byte, at time.Time, sure bool) {
	type put struct{ Item json.RawMessage }
	var request struct {
		put
		TransactItems []struct{ Put put }
	}
	if json.Unmarshal(body, &request) != nil {
		return
	}
	puts := []put{request.put}
	for _, one := range request.TransactItems {
		puts = append(puts, one.Put)
	}
	for _, p := range puts {
		if p.Item == nil {
			continue
		}
		c, err := dynamo.DecodeRecord(fmt.Appendf(nil, `{"eventName":"INSERT","dynamodb":{"Keys":%s,"NewImage":%s}}`,
			p.Item, p.Item))
		if err != nil || !strings.HasPrefix(string(c.Row.Kind), "log/") {
			continue
		}
		if e, err := tenants.DecodeEvent(c.Row.Body); err == nil {
			s.mu.Lock()
			if sure || s.appended[e.ID].IsZero() {
				s.appended[e.ID] = at
			}
			s.mu.Unlock()
		}
	}
}

// sqs causes the faults of the SQS server.
func (s *storm) sqs(r *between.Request) between.Answer {
	down := s.outage()
	select {
	case <-down:
		return between.Answer{}
	default:
	}
	inbox := bytes.Contains(r.Body, []byte("-inbox-"))
	if inbox && r.Op == "SendMessageBatch" && s.strikes(noticeLate) {
		r.Body = s.delayed(r.Body)
	}
	answered := make(chan between.Answer, 1)
	go func() {
		a := r.Pass()
		if inbox && r.Op == "ReceiveMessage" && a.Status == 200 {
			a = s.received(r, a)
		}
		answered <- a
	}()
	select {
	case a := <-answered:
		if inbox && r.Op == "SendMessageBatch" {
			s.reached(nodesTold)
		}
		return a
	case <-down: // also for calls that wait for messages
		return between.Answer{}
	}
}

// delayed returns the batch with its messages delayed by some seconds.
func (s *storm) delayed(body []byte) []byte {
	var batch map[string]any
	if json.Unmarshal(body, &batch) != nil {
		return body
	}
	entries, _ := batch["Entries"].([]any)
	for _, e := range entries {
		if e, ok := e.(map[string]any); ok {
			e["DelaySeconds"] = 1 + s.below(8)
		}
	}
	changed, err := json.Marshal(batch)
	if err != nil || len(entries) == 0 {
		return body
	}
	s.happened(noticeLate)
	return changed
}

// received returns the answer with messages repeated or in another order.
func (s *storm) received(r *between.Request, a between.Answer) between.Answer {
	turned, again := s.strikes(noticesTurned), s.strikes(noticeAgain)
	ms := messagesOf(a)
	if len(ms) == 0 || !turned && !again {
		return a
	}
	if turned {
		if len(ms) == 1 { // put the next one first
			r.Body = regexp.MustCompile(`"WaitTimeSeconds":\d+`).ReplaceAll(r.Body, []byte(`"WaitTimeSeconds":1`))
			ms = append(ms, messagesOf(r.Pass())...)
		}
		if len(ms) > 1 {
			s.happened(noticesTurned)
			slices.Reverse(ms)
		}
	}
	if again && len(ms) < 10 {
		s.happened(noticeAgain)
		ms = append(ms, ms[s.below(len(ms))])
	}
	a.Body, _ = json.Marshal(map[string]any{"Messages": ms})
	return a
}

func messagesOf(a between.Answer) []json.RawMessage {
	var answer struct{ Messages []json.RawMessage }
	if a.Status != 200 || json.Unmarshal(a.Body, &answer) != nil {
		return nil
	}
	return answer.Messages
}
