package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// sound is the evidence of a storm that did no harm: a channel of two senders, another tenant's channel, and three subscribers.
func sound() evidence {
	began := time.Unix(1_700_000_000, 0)
	r := evidence{logs: make(map[string][]logged), appended: make(map[string]time.Time), within: time.Minute}
	post := func(tenant, sender string, n int) {
		s := said{Tenant: tenant, Channel: "c0", Sender: sender, N: n}
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
	for _, l := range []line{{subscriber: "one", channel: "t00/c0"}, {subscriber: "two", channel: "t00/c0"}, {subscriber: "three", channel: "t01/c0"}} {
		for _, e := range r.logs[l.channel] {
			l.receipts = append(l.receipts, receipt{e.said, e.seq, r.appended[e.id].Add(50 * time.Second), began})
		}
		r.lines = append(r.lines, l)
	}
	return r
}

// The judge of a storm finds each thing that can go wrong, and only that.
func TestTheJudgeFindsWhatIsWrong(t *testing.T) {
	if wrong, slowest, behind := sound().wrong(); len(wrong) > 0 || slowest.late() != 50*time.Second || behind.behind() != 50*time.Second {
		t.Fatalf("nothing was wrong: %q, %v, %v", wrong, slowest, behind)
	}
	of := func(r *evidence, i int) *[]receipt { return &r.lines[i].receipts }
	for name, tt := range map[string]struct {
		plant func(*evidence)
		want  []string
	}{
		"an event is lost on the way": {func(r *evidence) { *of(r, 0) = slices.Delete(*of(r, 0), 2, 3) },
			[]string{"one got number 4 of t00/c0 where 3 was due"}},
		"the last one is lost": {func(r *evidence) { *of(r, 1) = (*of(r, 1))[:5] }, []string{"two got t00/c0 up to number 5 of 6"}},
		"the first one is lost": {func(r *evidence) { *of(r, 1) = (*of(r, 1))[1:] },
			[]string{"two got number 2 of t00/c0 where 1 was due"}},
		"a subscriber gets nothing": {func(r *evidence) { *of(r, 2) = nil }, []string{"three got t01/c0 up to number 0 of 3"}},
		"an event comes twice": {func(r *evidence) { *of(r, 0) = slices.Insert(*of(r, 0), 2, (*of(r, 0))[1]) },
			[]string{"one got number 2 of t00/c0 where 3 was due"}},
		"two change places": {func(r *evidence) { rs := *of(r, 0); rs[1], rs[2] = rs[2], rs[1] },
			[]string{"one got number 3 of t00/c0 where 2 was due", "one got number 2 of t00/c0 where 4 was due", "one got number 4 of t00/c0 where 3 was due"}},
		"a number has another event": {func(r *evidence) { (*of(r, 0))[1].said = (*of(r, 0))[3].said }, []string{"as number 2 of t00/c0"}},
		"another tenant's event":     {func(r *evidence) { (*of(r, 2))[0].said = (*of(r, 0))[0].said }, []string{"as number 1 of t01/c0"}},
		"an event beyond the log": {func(r *evidence) {
			*of(r, 2) = append(*of(r, 2), receipt{said: said{Tenant: "t01", Channel: "c0"}, seq: 4})
		},
			[]string{"as number 4 of t01/c0", "up to number 4 of 3"}},
		"an event is late": {func(r *evidence) { (*of(r, 0))[0].at = (*of(r, 0))[0].at.Add(11 * time.Second) },
			[]string{"too late: one got number 1 of t00/c0 1m1s after its append"}},
		"a late one to who came back later is not late": {func(r *evidence) {
			for _, e := range []int{0, 1} {
				(*of(r, 0))[e].at, (*of(r, 0))[e].since = (*of(r, 0))[e].at.Add(time.Hour), (*of(r, 0))[e].at.Add(time.Hour-time.Minute)
			}
		}, nil},
		"what was acknowledged is nowhere": {func(r *evidence) {
			r.acks = append(r.acks, acked{said{Tenant: "t01", Channel: "c0", Sender: "s9", N: 1}, "evt_x", time.Now()})
		}, []string{"was acknowledged as evt_x"}},
		"it was acknowledged under another id": {func(r *evidence) { r.acks[0].id = "evt_x" }, []string{"was acknowledged as evt_x"}},
		"a retry became two events": {func(r *evidence) {
			again := r.logs["t01/c0"][0]
			again.seq, again.id = 4, "evt_x"
			r.appended["evt_x"] = time.Unix(1_700_000_000, 0)
			r.logs["t01/c0"] = append(r.logs["t01/c0"], again)
			*of(r, 2) = append(*of(r, 2), receipt{again.said, 4, time.Unix(1_700_000_001, 0), time.Time{}})
		}, []string{"is there as 1 and as 4", "was acknowledged as"}},
		"a sender's order is lost": {func(r *evidence) {
			log := r.logs["t01/c0"]
			log[0].said, log[1].said, log[0].id, log[1].id = log[1].said, log[0].said, log[1].id, log[0].id
			for i := range log {
				(*of(r, 2))[i].said = log[i].said
			}
		}, []string{"number 1 of s0 is behind its number 2"}},
		"the log has a hole": {func(r *evidence) { r.logs["t01/c0"][2].seq = 4; (*of(r, 2))[2].seq = 4 },
			[]string{"t01/c0 has number 4 in place 3", "three got number 4 of t01/c0 where 3 was due"}},
		"an event in another's channel": {func(r *evidence) { r.logs["t01/c0"][0].Tenant, (*of(r, 2))[0].Tenant = "t02", "t02" }, []string{"t01/c0 has", "was acknowledged as"}},
		"nobody saw the row":            {func(r *evidence) { delete(r.appended, r.logs["t01/c0"][0].id) }, []string{"nobody heard of the row"}},
		"somebody was told of a gap":    {func(r *evidence) { r.told = []string{"a gap"} }, []string{"a gap"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := sound()
			tt.plant(&r)
			wrong, _, _ := r.wrong()
			for _, want := range tt.want {
				if !slices.ContainsFunc(wrong, func(w string) bool { return strings.Contains(w, want) }) {
					t.Errorf("%q was not found in %q", want, wrong)
				}
			}
			if len(tt.want) == 0 && len(wrong) > 0 {
				t.Errorf("%q is not wrong", wrong)
			}
		})
	}
}

// The same seed gives the same faults, another one others, and every round has every kind.
func TestAScheduleFollowsItsSeed(t *testing.T) {
	if !slices.Equal(schedule(7, 3), schedule(7, 3)) || slices.Equal(schedule(7, 3), schedule(8, 3)) {
		t.Error("a schedule is not its seed's")
	}
	for seed := range uint64(100) {
		per := make(map[string]int)
		for _, f := range schedule(seed, 3) {
			round := int(f.at / roundTime)
			per[fmt.Sprint(round, f.what)]++
			if end := f.at + f.lasts - time.Duration(round)*roundTime; end > roundTime-30*time.Second && f.what != nodeFrozen || end > roundTime {
				t.Errorf("seed %d: %v lasts too long", seed, f)
			}
		}
		if len(per) != 3*len(faultKinds()) {
			t.Errorf("seed %d has %d kinds in 3 rounds, of %d", seed, len(per), len(faultKinds()))
		}
	}
}
