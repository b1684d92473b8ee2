package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// sound returns the evidence of a storm without violations: a channel of two senders, another tenant's channel, and
// three subscribers.
func sound() evidence {
	began := time.Unix(1_700_000_000, 0)
	r := evidence{logs: make(map[string][]logged), appended: make(map[string]time.Time), within: time.Minute}
	post := func(tenant, sender string, n int) {
		s := posted{Tenant: tenant, Channel: "c0", Sender: sender, N: n}
		at := began.Add(time.Duration(len(r.acks)) * time.Second)
		log := r.logs[s.channel()]
		e := logged{s, fmt.Sprintf("evt_%d", len(r.acks)), int64(len(log) + 1)}
		r.acks = append(r.acks, acked{s, e.id, at})
		r.logs[s.channel()], r.appended[e.id] = append(log, e), at
	}
	for n := 1; n <= 3; n++ {
		post("t00", "s0", n)
		post("t00", "s1", n)
		post("t01", "s0", n)
	}
	for _, l := range []line{{subscriber: "one", channel: "t00/c0"}, {subscriber: "two", channel: "t00/c0"},
		{subscriber: "three", channel: "t01/c0"}} {
		for _, e := range r.logs[l.channel] {
			l.receipts = append(l.receipts, receipt{e.posted, e.seq, r.appended[e.id].Add(50 * time.Second), began})
		}
		r.lines = append(r.lines, l)
	}
	return r
}

// The judge of a storm finds each violation, and only that.
func TestTheJudgeFindsWhatIsWrong(t *testing.T) {
	if found, slowest, sinceAck := sound().check(); len(found) > 0 || slowest.late() != 50*time.Second ||
		sinceAck.sinceAck() != 50*time.Second {
		t.Fatalf("got %q, %v, %v of a storm without violations", found, slowest, sinceAck)
	}
	of := func(r *evidence, i int) *[]receipt { return &r.lines[i].receipts }
	for name, tt := range map[string]struct {
		plant func(*evidence)
		want  []string
	}{
		"an event is lost on the way": {func(r *evidence) { *of(r, 0) = slices.Delete(*of(r, 0), 2, 3) },
			[]string{"one got number 4 of t00/c0, want 3"}},
		"the last one is lost": {func(r *evidence) {
			*of(r, 1) = (*of(r, 1))[:5]
		}, []string{"two got t00/c0 up to number 5 of 6"}},
		"the first one is lost": {func(r *evidence) { *of(r, 1) = (*of(r, 1))[1:] },
			[]string{"two got number 2 of t00/c0, want 1"}},
		"a subscriber gets nothing": {func(r *evidence) {
			*of(r, 2) = nil
		}, []string{"three got t01/c0 up to number 0 of 3"}},
		"an event comes twice": {func(r *evidence) { *of(r, 0) = slices.Insert(*of(r, 0), 2, (*of(r, 0))[1]) },
			[]string{"one got number 2 of t00/c0, want 3"}},
		"two change places": {func(r *evidence) { rs := *of(r, 0); rs[1], rs[2] = rs[2], rs[1] },
			[]string{"one got number 3 of t00/c0, want 2", "one got number 2 of t00/c0, want 4",
				"one got number 4 of t00/c0, want 3"}},
		"a number has another event": {func(r *evidence) {
			(*of(r, 0))[1].posted = (*of(r, 0))[3].posted
		}, []string{"as number 2 of t00/c0"}},
		"another tenant's event": {func(r *evidence) {
			(*of(r, 2))[0].posted = (*of(r, 0))[0].posted
		}, []string{"as number 1 of t01/c0"}},
		"an event beyond the log": {func(r *evidence) {
			*of(r, 2) = append(*of(r, 2), receipt{posted: posted{Tenant: "t01", Channel: "c0"}, seq: 4})
		},
			[]string{"as number 4 of t01/c0", "up to number 4 of 3"}},
		"an event is late": {func(r *evidence) { (*of(r, 0))[0].at = (*of(r, 0))[0].at.Add(11 * time.Second) },
			[]string{"too late: one got number 1 of t00/c0 1m1s after its append"}},
		"a late one to who came back later is not late": {func(r *evidence) {
			for _, e := range []int{0, 1} {
				(*of(r, 0))[e].at, (*of(r, 0))[e].since = (*of(r, 0))[e].at.Add(time.Hour),
					(*of(r, 0))[e].at.Add(time.Hour-time.Minute)
			}
		}, nil},
		"what was acknowledged is nowhere": {func(r *evidence) {
			r.acks = append(r.acks, acked{posted{Tenant: "t01", Channel: "c0", Sender: "s9", N: 1}, "evt_x",
				time.Now()})
		}, []string{"was acknowledged as evt_x"}},
		"it was acknowledged under another id": {func(r *evidence) {
			r.acks[0].id = "evt_x"
		}, []string{"was acknowledged as evt_x"}},
		"a retry became two events": {func(r *evidence) {
			again := r.logs["t01/c0"][0]
			again.seq, again.id = 4, "evt_x"
			r.appended["evt_x"] = time.Unix(1_700_000_000, 0)
			r.logs["t01/c0"] = append(r.logs["t01/c0"], again)
			*of(r, 2) = append(*of(r, 2), receipt{again.posted, 4, time.Unix(1_700_000_001, 0), time.Time{}})
		}, []string{"has the numbers 1 and 4", "was acknowledged as"}},
		"a sender's order is lost": {func(r *evidence) {
			log := r.logs["t01/c0"]
			log[0].posted, log[1].posted, log[0].id, log[1].id = log[1].posted, log[0].posted, log[1].id, log[0].id
			for i := range log {
				(*of(r, 2))[i].posted = log[i].posted
			}
		}, []string{"number 1 of s0 comes after its number 2"}},
		"the log has a hole": {func(r *evidence) { r.logs["t01/c0"][2].seq = 4; (*of(r, 2))[2].seq = 4 },
			[]string{"t01/c0 has number 4 at position 3", "three got number 4 of t01/c0, want 3"}},
		"an event in another's channel": {func(r *evidence) {
			r.logs["t01/c0"][0].Tenant, (*of(r, 2))[0].Tenant = "t02", "t02"
		}, []string{"t01/c0 has an event of another channel", "was acknowledged as"}},
		"nobody saw the row": {func(r *evidence) {
			delete(r.appended, r.logs["t01/c0"][0].id)
		}, []string{"nothing is known of the row"}},
		"somebody was told of a gap": {func(r *evidence) { r.violations = []string{"a gap"} }, []string{"a gap"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := sound()
			tt.plant(&r)
			found, _, _ := r.check()
			for _, want := range tt.want {
				if !slices.ContainsFunc(found, func(w string) bool { return strings.Contains(w, want) }) {
					t.Errorf("%q is not among the violations %q", want, found)
				}
			}
			if len(tt.want) == 0 && len(found) > 0 {
				t.Errorf("got the violations %q, want none", found)
			}
		})
	}
}

// The same seed gives the same faults, another seed gives others, and every round has every kind.
func TestAScheduleFollowsItsSeed(t *testing.T) {
	if !slices.Equal(schedule(7, 3), schedule(7, 3)) || slices.Equal(schedule(7, 3), schedule(8, 3)) {
		t.Error("the schedule does not depend on the seed alone")
	}
	for seed := range uint64(100) {
		per := make(map[string]int)
		for _, f := range schedule(seed, 3) {
			round := int(f.at / roundTime)
			per[fmt.Sprint(round, f.what)]++
			if end := f.at + f.lasts - time.Duration(round)*roundTime; end > roundTime-30*time.Second &&
				f.what != nodeFrozen || end > roundTime {
				t.Errorf("seed %d: %v lasts beyond its round", seed, f)
			}
		}
		if len(per) != 3*len(faultKinds()) {
			t.Errorf("seed %d has %d faults of different kinds in 3 rounds, want %d in each", seed, len(per),
				len(faultKinds()))
		}
	}
}
