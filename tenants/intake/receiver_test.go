package intake_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// fixedSpec is a source for GitHub with one channel.
var fixedSpec = source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"}

func TestReceive(t *testing.T) {
	r := rig.NewIntakeRig(t)
	src, token := r.Source(t, rig.GithubSpec)
	body := "{\"repository\":{\"name\":\"Hello\"},\r\n\"x\":\"\u2028é\"}  "
	in := rig.Github(t, token, "d-1", "push", body)
	got, err := r.Receiver.Receive(context.Background(), in)
	if err != nil || got.Duplicate || got.Reply != nil || got.Channel != "github.hello" ||
		!tenants.ValidID(tenants.PrefixEvent, got.ID) {
		t.Fatalf("got %+v (%v), want a new event in github.hello", got, err)
	}
	events := r.Queued(t)
	if len(events) != 1 {
		t.Fatalf("got %d events, want 1", len(events))
	}
	e := events[0]
	if string(e.Data) != body {
		t.Errorf("got the payload %q, want %q", e.Data, body)
	}
	if e.ID != got.ID || e.Tenant != r.Tenant || e.Channel != "github.hello" || e.Type != "push" || e.Seq != 0 {
		t.Errorf("got %+v, want a push in github.hello without a number", e)
	}
	if e.Source != src.ID || e.ContentType != "application/json" || !e.Time.Equal(in.Received) {
		t.Errorf("got %+v, want application/json of source %s at %v", e, src.ID, in.Received)
	}
	p := *e.Provenance
	if p.Scheme != "github" || !p.Verified || p.Legacy || p.SecretID != src.Secrets[0].ID || p.DeliveryID != "d-1" ||
		p.Decoded {
		t.Errorf("got provenance %+v, want github's delivery d-1, verified with the source's secret", p)
	}
	headers := "map[X-Github-Delivery:d-1 X-Github-Event:push X-Hub-Signature-256:" +
		in.Header["X-Hub-Signature-256"][0] + "]"
	if fmt.Sprint(p.Headers) != headers {
		t.Errorf("got the headers %v, want %s", p.Headers, headers)
	}
	if want := 72 * time.Hour; e.Keep != want {
		t.Errorf("got an event kept for %v, want the plan's %v", e.Keep, want)
	}
}

func TestReceiveAnswers(t *testing.T) {
	ctx := context.Background()
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, rig.GithubSpec)
	falling := rig.GithubSpec
	falling.Fallback = "github.other"
	_, fallback := r.Source(t, falling)
	_, fixed := r.Source(t, fixedSpec)
	r.Limit(t, map[string]int64{"event_bytes": 1000})
	named := `{"repository":{"name":"a"}}`
	deep := strings.Repeat(`{"repository":`, 50) + strings.Repeat("}", 50)
	for _, tt := range []struct {
		name    string
		in      intake.Inbound
		change  func(*intake.Inbound)
		kind    tenants.ErrorKind
		code    string
		channel string
	}{
		{name: "an unknown token", in: rig.Github(t, "nonsense", "1", "push", named), kind: tenants.NotFound,
			code: "source_not_found"},
		{name: "another method", in: rig.Github(t, token, "2", "push", named),
			change: func(in *intake.Inbound) { in.Method = "PUT" },
			kind:   tenants.MethodNotAllowed, code: "method_not_allowed"},
		{name: "a signature of other bytes", in: rig.Github(t, token, "3", "push", named),
			change: func(in *intake.Inbound) { in.Body = append(in.Body, ' ') },
			kind:   tenants.Unauthenticated, code: "signature_mismatch"},
		{name: "no signature", in: rig.Github(t, token, "4", "push", named),
			change: func(in *intake.Inbound) { delete(in.Header, "X-Hub-Signature-256") },
			kind:   tenants.Unauthenticated, code: "signature_missing"},
		{name: "one byte too large, with any signature",
			in: intake.Inbound{Token: token, Method: "POST", Body: make([]byte, 1001)}, kind: tenants.TooLarge,
			code: "event_too_large"},
		{name: "as large as the limit", in: rig.Github(t, fixed, "5", "push", strings.Repeat("x", 1000)),
			channel: "all"},
		{name: "an empty body", in: rig.Github(t, fixed, "6", "push", ""), channel: "all"},
		{name: "a field that is missing", in: rig.Github(t, token, "7", "push", `{"repository":{}}`),
			kind: tenants.Unprocessable, code: "channel_field_missing"},
		{name: "a body that is not JSON", in: rig.Github(t, token, "8", "push", "repository=a"),
			kind: tenants.Unprocessable, code: "channel_field_missing"},
		{name: "a field that is missing, with a fallback",
			in: rig.Github(t, fallback, "9", "push", `{"repository":{}}`), channel: "github.other"},
		{name: "a deep body, with a fallback", in: rig.Github(t, fallback, "10", "push", deep),
			channel: "github.other"},
		{name: "a field that is there, with a fallback", in: rig.Github(t, fallback, "11", "push", named),
			channel: "github.a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.change != nil {
				tt.change(&tt.in)
			}
			got, err := r.Receiver.Receive(ctx, tt.in)
			events := r.Queued(t)
			if tt.code != "" {
				rig.WantError(t, err, tt.kind, tt.code)
				if known := tt.code != "source_not_found"; known != (got.Tenant == r.Tenant) {
					t.Errorf("got a refusal for tenant %q, want the source's tenant if it is known", got.Tenant)
				}
				if len(events) != 0 {
					t.Errorf("got %d events enqueued with a refusal, want none", len(events))
				}
				return
			}
			if err != nil || got.Channel != tt.channel || len(events) != 1 || events[0].Channel != tt.channel {
				t.Errorf("got %+v (%v) and %d events, want one in %s", got, err, len(events), tt.channel)
			}
		})
	}
}

func TestReceiveMapsTypes(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, fixedSpec)
	delivery := 0
	for sent, want := range map[string]string{
		"pull_request": "pull_request", "issues/opened:x-1.y": "issues/opened:x-1.y", "with space": "with_space",
		"ünï": "_n_", "error": "webhook.error", "open": "webhook.open", "message": "webhook.message",
		"hookcast.gap": "webhook.hookcast.gap", "hookcast": "hookcast", "": "webhook", "a\nb": "webhook",
		strings.Repeat("a", 300): "webhook", strings.Repeat("é", 64): strings.Repeat("_", 64),
	} {
		delivery++
		in := rig.Github(t, token, strconv.Itoa(delivery), sent, "{}")
		if _, err := r.Receiver.Receive(context.Background(), in); err != nil {
			t.Fatalf("%q: %v", sent, err)
		}
		if e := r.Queued(t)[0]; e.Type != want || tenants.CheckType(e.Type) != nil {
			t.Errorf("%q became %q, want %q", sent, e.Type, want)
		}
	}
}

func TestReceiveFlagsWhatNobodyVerified(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, source.Spec{Provider: "none", Channel: "open"})
	in := intake.Inbound{
		Token: token, Method: "POST", Body: []byte("hi"), Received: time.Now(),
		Header: map[string][]string{"Content-Type": {"text/plain"}},
	}
	for range 2 { // without an id from the provider, each is a new event
		if _, err := r.Receiver.Receive(context.Background(), in); err != nil {
			t.Fatal(err)
		}
	}
	events := r.Queued(t)
	if len(events) != 2 || events[0].ID == events[1].ID {
		t.Fatalf("got %+v, want two events with ids of their own", events)
	}
	if p := events[0].Provenance; p.Verified || p.Scheme != "none" || p.SecretID != "" {
		t.Errorf("got provenance %+v, want an unverified one of scheme none", p)
	}
}

// A provider repeats a delivery: while the first is queued, once it is in the log, with another body, and after the
// source's channel was changed.
func TestReceiveKnowsARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := rig.NewIntakeRig(t)
		src, token := r.Source(t, fixedSpec)
		post := func(body string) intake.Accepted {
			t.Helper()
			got, err := r.Receiver.Receive(ctx, rig.Github(t, token, "d-1", "push", body))
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		first := post("one")
		if again := post("one"); again.Duplicate || again.ID != first.ID {
			t.Errorf("while it is queued: got %+v, want %s accepted again", again, first.ID)
		}
		r.AppendAll(t)
		if again := post("one"); !again.Duplicate || again.ID != first.ID || again.Channel != "all" {
			t.Errorf("once it is in the log: got %+v, want a duplicate of %s", again, first.ID)
		}
		other := post("two")
		if other.Duplicate || other.ID == first.ID {
			t.Errorf("another body: got %+v, want a new event", other)
		}
		r.AppendAll(t)
		if again := post("two"); !again.Duplicate || again.ID != other.ID {
			t.Errorf("the other body again: got %+v, want a duplicate of %s", again, other.ID)
		}
		channel := "elsewhere"
		if _, err := r.Sources.Update(ctx, r.Tenant, src.ID, source.Patch{Channel: &channel}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // the queue and the caches have forgotten it
		if again := post("one"); !again.Duplicate || again.Channel != "all" {
			t.Errorf("after the channel was changed: got %+v, want a duplicate in all", again)
		}
		r.AppendAll(t)
		all := r.All(t, "all")
		rig.WantData(t, all, "one", "two")
		if all[1].DuplicateOf != first.ID {
			t.Errorf("got %+v, want it marked as a duplicate of %s", all[1], first.ID)
		}
	})
}

// Two deliveries with one id and two bodies arrive before either is in the log: both are stored, the second one marked.
func TestReceiveTwoBodiesAtOnce(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, fixedSpec)
	for _, body := range []string{"one", "two", "one"} {
		in := rig.Github(t, token, "d-1", "push", body)
		if _, err := r.Receiver.Receive(context.Background(), in); err != nil {
			t.Fatal(err)
		}
	}
	r.AppendAll(t)
	all := r.All(t, "all")
	rig.WantData(t, all, "one", "two")
	if all[1].DuplicateOf != all[0].ID {
		t.Errorf("got %+v, want it marked as a duplicate of %s", all[1], all[0].ID)
	}
}

// An event is accepted again if only its claim is stored, because its message went to the dead letters.
func TestReceiveDoesNotTrustAClaimAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		_, token := r.Source(t, fixedSpec)
		first, err := r.Receiver.Receive(t.Context(), rig.Github(t, token, "d-1", "push", "one"))
		if err != nil {
			t.Fatal(err)
		}
		r.Queued(t) // lost
		hash := sha256.Sum256([]byte("one"))
		claim := fmt.Appendf(nil, `{"Channel":"all","Seq":1,"BodyHash":%q}`, base64.StdEncoding.EncodeToString(hash[:]))
		k := tenants.Key{Tenant: r.Tenant, Kind: "evt", Sort: first.ID}
		if err := r.Table.Write(t.Context(), tenants.Put(k, claim, time.Time{}, tenants.Absent())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // the queue has forgotten it
		got, err := r.Receiver.Receive(t.Context(), rig.Github(t, token, "d-1", "push", "one"))
		if err != nil || got.Duplicate || got.ID != first.ID {
			t.Fatalf("got %+v (%v), want %s accepted again", got, err, first.ID)
		}
		r.AppendAll(t)
		rig.WantData(t, r.All(t, "all"), "one")
	})
}

// A webhook is accepted although the table cannot be read.
func TestReceiveWhileTheTableIsDown(t *testing.T) {
	ctx := context.Background()
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, fixedSpec)
	if _, err := r.Receiver.Receive(ctx, rig.Github(t, token, "d-0", "push", "zero")); err != nil {
		t.Fatal(err)
	}
	// Sources and limits are cached now.
	down := intake.NewIntake(r.Accounts, eventlog.New(downTable{}), r.Queue)
	receiver := intake.NewReceiver(r.Sources, source.NewVerifier(nil), down)
	got, err := receiver.Receive(ctx, rig.Github(t, token, "d-1", "push", "one"))
	if err != nil || got.ID == "" {
		t.Fatalf("got %+v (%v), want an event", got, err)
	}
	r.AppendAll(t)
	rig.WantData(t, r.All(t, "all"), "zero", "one")
}

// downTable is a table that cannot be read.
type downTable struct{ tenants.Table }

func (downTable) Get(context.Context, tenants.Key) (tenants.Row, error) {
	return tenants.Row{}, tenants.Errorf(tenants.Unavailable, "down", "down")
}

func (downTable) Query(context.Context, tenants.Range) ([]tenants.Row, error) {
	return nil, tenants.Errorf(tenants.Unavailable, "down", "down")
}

func TestReceiveIsUnavailableWhereTheQueueIs(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, fixedSpec)
	for _, outcome := range []tenantstest.Outcome{tenantstest.Lost, tenantstest.Stored} {
		r.Queue.Fail(outcome, func(c tenantstest.Call) bool { return c.Method == "Send" })
		_, err := r.Receiver.Receive(context.Background(), rig.Github(t, token, "d-1", "push", "one"))
		if tenants.KindOf(err) != tenants.Unavailable || err == nil {
			t.Errorf("got %v, want an error of kind Unavailable", err)
		}
	}
	if _, err := r.Receiver.Receive(context.Background(), rig.Github(t, token, "d-1", "push", "one")); err != nil {
		t.Error(err)
	}
	r.AppendAll(t)
	rig.WantData(t, r.All(t, "all"), "one")
}

func TestReceiveAnswersAHandshakeAndEnqueuesNothing(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, source.Spec{Provider: "slack", Secret: rig.IntakeSecret, Channel: "slack"})
	in := rig.Signed(t, "slack", token, "", `{"type":"url_verification","challenge":"c-1"}`, nil)
	got, err := r.Receiver.Receive(context.Background(), in)
	if err != nil || got.Reply == nil || string(got.Reply.Body) != "c-1" || got.ID != "" {
		t.Errorf("got %+v (%v), want a reply of c-1 and no event", got, err)
	}
	in.Body = []byte(`{"type":"url_verification","challenge":"c-2"}`)
	_, err = r.Receiver.Receive(context.Background(), in)
	rig.WantError(t, err, tenants.Unauthenticated, signing.SignatureMismatch)
	if events := r.Queued(t); len(events) != 0 {
		t.Errorf("got %d events, want none", len(events))
	}
}

// Only signed requests count against the tenant's rate.
func TestReceiveHoldsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := rig.NewIntakeRig(t)
		_, token := r.Source(t, fixedSpec)
		r.Limit(t, map[string]int64{"events_per_second": 3})
		for range 10 {
			bad := rig.Github(t, token, "x", "push", "bad")
			bad.Body = []byte("worse")
			_, err := r.Receiver.Receive(ctx, bad)
			rig.WantError(t, err, tenants.Unauthenticated, signing.SignatureMismatch)
		}
		for i := range 3 {
			in := rig.Github(t, token, string(rune('a'+i)), "push", "good")
			if _, err := r.Receiver.Receive(ctx, in); err != nil {
				t.Fatal(err)
			}
		}
		_, err := r.Receiver.Receive(ctx, rig.Github(t, token, "d", "push", "good"))
		rig.WantError(t, err, tenants.TooMany, "event_rate")
		time.Sleep(time.Second)
		if _, err := r.Receiver.Receive(ctx, rig.Github(t, token, "d", "push", "good")); err != nil {
			t.Error(err)
		}
	})
}

func TestReceiveForASuspendedTenant(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, rig.GithubSpec)
	if _, err := r.Accounts.Suspend(context.Background(), r.Tenant); err != nil {
		t.Fatal(err)
	}
	r.Accounts.Forget(r.Tenant)
	_, err := r.Receiver.Receive(context.Background(), rig.Github(t, token, "1", "push", `{"repository":{"name":"a"}}`))
	rig.WantError(t, err, tenants.Forbidden, "tenant_suspended")
}
