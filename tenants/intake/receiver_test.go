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

func TestReceive(t *testing.T) {
	r := rig.NewIntakeRig(t)
	src, token := r.Source(t, rig.GithubSpec)
	body := "{\"repository\":{\"name\":\"Hello\"},\r\n\"x\":\"\u2028é\"}  "
	in := rig.Github(t, token, "d-1", "push", body)
	got, err := r.Receiver.Receive(context.Background(), in)
	if err != nil || got.Duplicate || got.Reply != nil || got.Channel != "github.hello" || !tenants.ValidID(tenants.PrefixEvent, got.ID) {
		t.Fatalf("%+v, %v", got, err)
	}
	events := r.Queued(t)
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if string(e.Data) != body {
		t.Errorf("the payload is %q", e.Data)
	}
	if e.ID != got.ID || e.Tenant != r.Tenant || e.Channel != "github.hello" || e.Type != "push" || e.Source != src.ID || e.ContentType != "application/json" || !e.Time.Equal(in.Received) || e.Seq != 0 {
		t.Errorf("%+v", e)
	}
	if p := *e.Provenance; p.Scheme != "github" || !p.Verified || p.Legacy || p.SecretID != src.Secrets[0].ID || p.DeliveryID != "d-1" || p.Decoded || fmt.Sprint(p.Headers) != "map[X-Github-Delivery:d-1 X-Github-Event:push X-Hub-Signature-256:"+in.Header["X-Hub-Signature-256"][0]+"]" {
		t.Errorf("%+v", p)
	}
	if want := 72 * time.Hour; e.Keep != want {
		t.Errorf("kept for %v, want the plan's %v", e.Keep, want)
	}
}

func TestReceiveAnswers(t *testing.T) {
	ctx := context.Background()
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, rig.GithubSpec)
	_, fallback := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "github.{repository.name}", Fallback: "github.other"})
	_, fixed := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"})
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
		{name: "a token that is none", in: rig.Github(t, "nonsense", "1", "push", named), kind: tenants.NotFound, code: "source_not_found"},
		{name: "another method", in: rig.Github(t, token, "2", "push", named), change: func(in *intake.Inbound) { in.Method = "PUT" }, kind: tenants.MethodNotAllowed, code: "method_not_allowed"},
		{name: "a signature of other bytes", in: rig.Github(t, token, "3", "push", named), change: func(in *intake.Inbound) { in.Body = append(in.Body, ' ') }, kind: tenants.Unauthenticated, code: "signature_mismatch"},
		{name: "no signature", in: rig.Github(t, token, "4", "push", named), change: func(in *intake.Inbound) { delete(in.Header, "X-Hub-Signature-256") }, kind: tenants.Unauthenticated, code: "signature_missing"},
		{name: "one byte too large, whatever its signature", in: intake.Inbound{Token: token, Method: "POST", Body: make([]byte, 1001)}, kind: tenants.TooLarge, code: "event_too_large"},
		{name: "as large as may be", in: rig.Github(t, fixed, "5", "push", strings.Repeat("x", 1000)), channel: "all"},
		{name: "an empty body", in: rig.Github(t, fixed, "6", "push", ""), channel: "all"},
		{name: "a field that is missing", in: rig.Github(t, token, "7", "push", `{"repository":{}}`), kind: tenants.Unprocessable, code: "channel_field_missing"},
		{name: "a body that is no JSON", in: rig.Github(t, token, "8", "push", "repository=a"), kind: tenants.Unprocessable, code: "channel_field_missing"},
		{name: "a field that is missing, with a fallback", in: rig.Github(t, fallback, "9", "push", `{"repository":{}}`), channel: "github.other"},
		{name: "a deep body, with a fallback", in: rig.Github(t, fallback, "10", "push", deep), channel: "github.other"},
		{name: "a field that is there, with a fallback", in: rig.Github(t, fallback, "11", "push", named), channel: "github.a"},
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
					t.Errorf("refused as %q's", got.Tenant)
				}
				if len(events) != 0 {
					t.Error("refused, and enqueued")
				}
				return
			}
			if err != nil || got.Channel != tt.channel || len(events) != 1 || events[0].Channel != tt.channel {
				t.Errorf("%+v, %v, %d events", got, err, len(events))
			}
		})
	}
}

func TestReceiveMapsTypes(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"})
	delivery := 0
	for sent, want := range map[string]string{
		"pull_request": "pull_request", "issues/opened:x-1.y": "issues/opened:x-1.y", "with space": "with_space", "ünï": "_n_", "error": "webhook.error", "open": "webhook.open",
		"message": "webhook.message", "hookcast.gap": "webhook.hookcast.gap", "hookcast": "hookcast", "": "webhook", strings.Repeat("a", 300): "webhook",
		strings.Repeat("é", 64): strings.Repeat("_", 64), "a\nb": "webhook",
	} {
		delivery++
		if _, err := r.Receiver.Receive(context.Background(), rig.Github(t, token, strconv.Itoa(delivery), sent, "{}")); err != nil {
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
	in := intake.Inbound{Token: token, Method: "POST", Body: []byte("hi"), Received: time.Now(), Header: map[string][]string{"Content-Type": {"text/plain"}}}
	for range 2 { // without an id of the provider's, each is an event of its own
		if _, err := r.Receiver.Receive(context.Background(), in); err != nil {
			t.Fatal(err)
		}
	}
	events := r.Queued(t)
	if len(events) != 2 || events[0].ID == events[1].ID {
		t.Fatalf("%+v", events)
	}
	if p := events[0].Provenance; p.Verified || p.Scheme != "none" || p.SecretID != "" {
		t.Errorf("%+v", p)
	}
}

// A provider tries again: while the first is queued, once it is in the log, with another body, after the channel was changed.
func TestReceiveKnowsARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := rig.NewIntakeRig(t)
		src, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"})
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
			t.Errorf("while it is queued: %+v", again)
		}
		r.AppendAll(t)
		if again := post("one"); !again.Duplicate || again.ID != first.ID || again.Channel != "all" {
			t.Errorf("once it is in the log: %+v", again)
		}
		other := post("two")
		if other.Duplicate || other.ID == first.ID {
			t.Errorf("another body: %+v", other)
		}
		r.AppendAll(t)
		if again := post("two"); !again.Duplicate || again.ID != other.ID {
			t.Errorf("the other body again: %+v", again)
		}
		channel := "elsewhere"
		if _, err := r.Sources.Update(ctx, r.Tenant, src.ID, source.Patch{Channel: &channel}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // the queue has forgotten, and so have the caches
		if again := post("one"); !again.Duplicate || again.Channel != "all" {
			t.Errorf("after the channel was changed: %+v", again)
		}
		r.AppendAll(t)
		all := r.All(t, "all")
		rig.WantData(t, all, "one", "two")
		if all[1].DuplicateOf != first.ID {
			t.Errorf("%+v", all[1])
		}
	})
}

// Two deliveries with one id and two bodies arrive before either is in the log: both get there, the second one marked.
func TestReceiveTwoBodiesAtOnce(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"})
	for _, body := range []string{"one", "two", "one"} {
		if _, err := r.Receiver.Receive(context.Background(), rig.Github(t, token, "d-1", "push", body)); err != nil {
			t.Fatal(err)
		}
	}
	r.AppendAll(t)
	all := r.All(t, "all")
	rig.WantData(t, all, "one", "two")
	if all[1].DuplicateOf != all[0].ID {
		t.Errorf("%+v", all[1])
	}
}

// An event whose claim was written, and whose message is among the dead letters, is taken in again.
func TestReceiveDoesNotTrustAClaimAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		_, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"})
		first, err := r.Receiver.Receive(t.Context(), rig.Github(t, token, "d-1", "push", "one"))
		if err != nil {
			t.Fatal(err)
		}
		r.Queued(t) // gone
		hash := sha256.Sum256([]byte("one"))
		claim := fmt.Appendf(nil, `{"Channel":"all","Seq":1,"BodyHash":%q}`, base64.StdEncoding.EncodeToString(hash[:]))
		if err := r.Table.Write(t.Context(), tenants.Put(tenants.Key{Tenant: r.Tenant, Kind: "evt", Sort: first.ID}, claim, time.Time{}, tenants.Absent())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // the queue has forgotten it
		if got, err := r.Receiver.Receive(t.Context(), rig.Github(t, token, "d-1", "push", "one")); err != nil || got.Duplicate || got.ID != first.ID {
			t.Fatalf("%+v, %v", got, err)
		}
		r.AppendAll(t)
		rig.WantData(t, r.All(t, "all"), "one")
	})
}

// A table that cannot be read costs no acknowledgement.
func TestReceiveWhileTheTableIsDown(t *testing.T) {
	ctx := context.Background()
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"})
	if _, err := r.Receiver.Receive(ctx, rig.Github(t, token, "d-0", "push", "zero")); err != nil { // sources and limits are cached now
		t.Fatal(err)
	}
	down := intake.NewIntake(r.Accounts, eventlog.New(downTable{}), r.Queue)
	got, err := intake.NewReceiver(r.Sources, source.NewVerifier(nil), down).Receive(ctx, rig.Github(t, token, "d-1", "push", "one"))
	if err != nil || got.ID == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	r.AppendAll(t)
	rig.WantData(t, r.All(t, "all"), "zero", "one")
}

// downTable is a table that nobody reaches.
type downTable struct{ tenants.Table }

func (downTable) Get(context.Context, tenants.Key) (tenants.Row, error) {
	return tenants.Row{}, tenants.Errorf(tenants.Unavailable, "down", "down")
}

func (downTable) Query(context.Context, tenants.Range) ([]tenants.Row, error) {
	return nil, tenants.Errorf(tenants.Unavailable, "down", "down")
}

func TestReceiveIsUnavailableWhereTheQueueIs(t *testing.T) {
	r := rig.NewIntakeRig(t)
	_, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"})
	for _, outcome := range []tenantstest.Outcome{tenantstest.Lost, tenantstest.Stored} {
		r.Queue.Fail(outcome, func(c tenantstest.Call) bool { return c.Method == "Send" })
		if _, err := r.Receiver.Receive(context.Background(), rig.Github(t, token, "d-1", "push", "one")); tenants.KindOf(err) != tenants.Unavailable || err == nil {
			t.Errorf("%v", err)
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
		t.Errorf("%+v, %v", got, err)
	}
	in.Body = []byte(`{"type":"url_verification","challenge":"c-2"}`)
	_, err = r.Receiver.Receive(context.Background(), in)
	rig.WantError(t, err, tenants.Unauthenticated, signing.SignatureMismatch)
	if events := r.Queued(t); len(events) != 0 {
		t.Errorf("%d events", len(events))
	}
}

// Requests that nobody signed use up nothing of the tenant's rate; signed ones do.
func TestReceiveHoldsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := rig.NewIntakeRig(t)
		_, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all"})
		r.Limit(t, map[string]int64{"events_per_second": 3})
		for range 10 {
			bad := rig.Github(t, token, "x", "push", "bad")
			bad.Body = []byte("worse")
			_, err := r.Receiver.Receive(ctx, bad)
			rig.WantError(t, err, tenants.Unauthenticated, signing.SignatureMismatch)
		}
		for i := range 3 {
			if _, err := r.Receiver.Receive(ctx, rig.Github(t, token, string(rune('a'+i)), "push", "good")); err != nil {
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
