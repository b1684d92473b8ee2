package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/hookcast/hookcast/infra/awslocal/lambda"
	"github.com/hookcast/hookcast/infra/dynamo"
)

// Stages of a batch at which append crashes.
const (
	onReceipt   = iota
	rowStored   // the first event is in the log, but append does not know that
	nodesTold   // the notice is in a node's inbox, but append does not know that
	crashStages = iota
)

// strike causes a fault, and returns when it is over.
func (s *storm) strike(ctx context.Context, f strike) {
	if sleep(ctx, f.at); ctx.Err() != nil {
		return
	}
	switch f.what {
	case nodeKilled:
		s.killNode(ctx, f.which)
	case nodeFrozen:
		s.freezeNode(ctx, f.which, f.lasts)
	case inboxDeleted:
		s.deleteInbox(ctx, f.which)
	case appendCrashed:
		s.arm("append", f.which)
	case changesCrashed:
		s.arm("changes", onReceipt)
	case ingestCrashed:
		if s.kill("ingest") > 0 {
			s.happened(ingestCrashed)
		}
	case queueDown:
		s.downMu.Lock()
		close(s.down)
		s.downMu.Unlock()
		sleep(ctx, f.lasts)
		s.downMu.Lock()
		s.down = make(chan struct{})
		s.downMu.Unlock()
		s.happened(queueDown)
	default:
		s.set(f.what, f.share)
		sleep(ctx, f.lasts)
		s.until(ctx, func() bool { return s.counted(f.what) > 0 }) // it may not have struck by chance
		s.set(f.what, 0)
	}
}

// outage returns a channel that is closed while the SQS server is down.
func (s *storm) outage() <-chan struct{} {
	s.downMu.Lock()
	defer s.downMu.Unlock()
	return s.down
}

func (s *storm) killNode(ctx context.Context, i int) {
	node := s.l.streamers[i]
	before := node.pid()
	if before == 0 || syscall.Kill(before, syscall.SIGKILL) != nil {
		return
	}
	if s.until(ctx, func() bool { now := node.pid(); return now != 0 && now != before }) {
		s.happened(nodeKilled)
	}
}

func (s *storm) freezeNode(ctx context.Context, i int, lasts time.Duration) {
	node := s.l.streamers[i]
	before, pid := s.incarnation(node), node.pid()
	if pid == 0 || syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return
	}
	sleep(ctx, lasts)
	_ = syscall.Kill(pid, syscall.SIGCONT)
	if s.until(ctx, func() bool { return s.incarnation(node) != before }) {
		s.happened(nodeFrozen)
	}
}

func (s *storm) deleteInbox(ctx context.Context, i int) {
	node := s.l.streamers[i]
	inbox := s.l.deployment.Tasks[0].Environment["HOOKCAST_INBOX_PREFIX"] + s.incarnation(node)
	url, err := s.l.cloud.queues.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &inbox})
	if err == nil {
		_, err = s.l.cloud.queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: url.QueueUrl})
	}
	if err != nil {
		s.violation("deleting %s: %v", inbox, err)
		return
	}
	if s.until(ctx, func() bool { return !strings.HasSuffix(inbox, s.incarnation(node)) }) {
		s.happened(inboxDeleted)
	}
}

// incarnation returns the latest name that a node has given itself.
func (s *storm) incarnation(node *streamer) (name string) {
	for line := range strings.Lines(s.log(s.t, node.name)) {
		var entry struct{ Msg, Node string }
		if strings.Contains(line, `"node started"`) && json.Unmarshal([]byte(line), &entry) == nil {
			name = entry.Node
		}
	}
	return name
}

// rows returns the table, without the storm's proxy.
func (s *storm) rows() *dynamo.Table {
	return dynamo.Open(s.l.cloud.tables, s.l.deployment.Tables[0].Name)
}

// until polls until is returns true, for as long as patience lasts.
func (s *storm) until(ctx context.Context, is func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		if is() {
			return true
		}
		sleep(ctx, 20*time.Millisecond)
	}
	return false
}

// arm makes the function crash when it next reaches the stage.
func (s *storm) arm(function string, stage int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crash[function] = append(s.crash[function], stage)
}

// disarm reports whether the function must crash at the stage now.
func (s *storm) disarm(function string, stage int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.crash[function], stage)
	if i >= 0 {
		s.crash[function] = slices.Delete(s.crash[function], i, i+1)
	}
	return i >= 0
}

// reached is called when a request of append was executed but not answered yet.
func (s *storm) reached(stage int) {
	if s.disarm("append", stage) {
		s.kill("append")
	}
}

// kill ends all environments of a function in the middle of their work, and returns their number.
func (s *storm) kill(function string) (n int) {
	for _, pid := range s.l.functions[function].PIDs() {
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			n++
		}
	}
	return n
}

// invoking puts the storm between the queue or stream and the function.
func (s *storm) invoking(function string, invoke invoker) invoker {
	crashed, again := map[string]string{"append": appendCrashed, "changes": changesCrashed}[function], batchAgain
	if function == "changes" {
		again = recordsAgain
	}
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		if s.disarm(function, onReceipt) {
			time.AfterFunc(time.Duration(s.below(3000))*time.Microsecond, func() { s.kill(function) })
		}
		answer, err := invoke(ctx, payload)
		if e, ok := errors.AsType[*lambda.Error](err); ok && e.Type == "Runtime.ExitError" {
			s.happened(crashed)
		}
		if err != nil {
			return answer, err
		}
		if s.strikes(again) {
			s.happened(again)
			_, _ = invoke(ctx, payload)
		}
		if function == "append" && s.strikes(batchLate) {
			s.happened(batchLate)
			s.late.Go(func() {
				sleep(ctx, time.Duration(1+s.below(8))*time.Second)
				_, _ = invoke(ctx, payload)
			})
		}
		return answer, err
	}
}
