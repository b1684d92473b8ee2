package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

func TestResumeFromTheRingReadsNoLog(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.connect("", "a")
		r.settle()
		r.publish("a", numbers(1, 20)...)
		r.settle()
		before := r.count("read a")
		x := r.connect("17", "a")
		r.settle()
		x.want("open@17 18@18 19@19 20@20")
		if x.now().writes != 2 || r.count("read a") != before {
			t.Errorf("%d writes, %d reads", x.now().writes, r.count("read a")-before)
		}
	})
}

func TestAStormOfReconnectsIsOneRead(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.append("a", numbers(1, 200)...)
		r.edit(func() { r.delay = 10 * time.Millisecond })
		var all []*client
		for i := range 500 {
			all = append(all, r.connect(fmt.Sprint(150-i%20), "a"))
			if i%100 == 0 {
				r.pass(5 * time.Millisecond)
			}
		}
		r.pass(time.Second)
		for i, x := range all {
			if got, want := x.text(), fmt.Sprintf("open@%d %d@%[2]d ", 150-i%20, 151-i%20); !strings.HasPrefix(got,
				want) || !strings.HasSuffix(got, " 200@200") || len(x.events()) != 51+i%20 {
				t.Fatalf("%d: %s", i, got)
			}
		}
		if n := r.count("read a") + r.count("tail a"); n != 1 {
			t.Errorf("%d reads", n)
		}
	})
}

func TestALongReplayGoesPageByPage(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.append("a", numbers(1, 3000)...)
		x, y := r.connect("0", "a"), r.connect("1500", "a")
		live := r.connect("", "a")
		r.settle()
		r.publish("a", "3001")
		r.settle()
		want := "open@0"
		for i := 1; i <= 3001; i++ {
			want += fmt.Sprintf(" %d@%[1]d", i)
		}
		x.want(want)
		if n := len(y.events()); n != 1502 {
			t.Errorf("%d frames", n)
		}
		live.want("open@3000 3001@3001")
		if n := r.count("read a"); n > 3000/pageRows+8 {
			t.Errorf("%d reads", n)
		}
	})
}

func TestWhatIsLostIsSaid(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.append("a", numbers(1, 9)...)
		r.edit(func() { r.floor["a"] = 6 })
		x, y, z := r.connect("0", "a"), r.connect("3", "a"), r.connect("7", "a")
		r.settle()
		x.want(`open@0 hookcast.gap{"channel":"a","from":1,"to":5}@5 6@6 7@7 8@8 9@9`)
		y.want(`open@3 hookcast.gap{"channel":"a","from":4,"to":5}@5 6@6 7@7 8@8 9@9`)
		z.want("open@7 8@8 9@9")
		r.edit(func() { r.floor["b"] = 4 })
		r.append("b", numbers(1, 3)...)
		b := r.connect("1", "b")
		r.settle()
		b.want(`open@1 hookcast.gap{"channel":"b","from":2,"to":3}@3`)
	})
}

func TestACursorBeyondTheTail(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.append("a", numbers(1, 3)...)
		x := r.connect("7", "a")
		r.settle()
		x.want(`open@7 hookcast.gap{"channel":"a","reset":true}@3`)
		y := r.connect("9", "a")
		r.settle()
		y.want(`open@9 hookcast.gap{"channel":"a","reset":true}@3`)
		r.publish("a", "4")
		r.settle()
		x.want(`open@7 hookcast.gap{"channel":"a","reset":true}@3 4@4`)

		r.append("a", "5", "6") // this node has not been notified; the client heard it from another
		z := r.connect("6", "a")
		r.settle()
		z.want("open@6")
		x.want(`open@7 hookcast.gap{"channel":"a","reset":true}@3 4@4 5@5 6@6`)

		two := r.connect(string(tenants.AppendCursor(nil, tenants.CursorSeed([]string{"a", "b"}), []int64{8, 5})),
			"a", "b")
		r.settle()
		var names []string
		for _, e := range two.events() {
			names = append(names, e.Name+string(e.Data))
		}
		if len(names) != 3 || names[1] > names[2] && names[2] != `hookcast.gap{"channel":"a","reset":true}` {
			t.Errorf("%q", names)
		}
		if got, want := two.lastID(),
			string(tenants.AppendCursor(nil, tenants.CursorSeed([]string{"a", "b"}), []int64{6, 0})); got != want {
			t.Errorf("cursor %s, want %s", got, want)
		}
	})
}

func TestARestoredTableIsNoticed(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		r.publish("a", numbers(1, 5)...)
		r.settle()
		r.edit(func() { r.channels["a"] = r.channels["a"][:2] })
		r.pass(time.Minute)
		r.publish("a", "new 3")
		r.settle()
		if got := strings.ReplaceAll(x.text(), " beat",
			""); got != `open@0 1@1 2@2 3@3 4@4 5@5 hookcast.gap{"channel":"a","reset":true}@2 new 3@3` {
			t.Error(got)
		}
	})
}

func TestAFailingReplayIsTriedAgain(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.connect("", "a")
		r.settle()
		r.append("a", numbers(1, 400)...)
		r.settle()
		failures := 0
		r.fail = func(string) error {
			if failures++; failures < 5 {
				return tenants.Errorf(tenants.Unavailable, "throttled", "")
			}
			return nil
		}
		x := r.connect("10", "a")
		r.pass(10 * time.Second)
		if n := len(x.events()); n < 391 {
			t.Errorf("%d frames after %d failures", n, failures)
		}
	})
}

// A slow reader costs a position: however little its socket accepts, it gets every byte, and the others do not wait.
func TestASlowReaderGetsEveryByte(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 0))
		inBubble(t, Options{UnsentAge: time.Hour, UnsentBytes: 1 << 30, Ring: 1 + random.IntN(20)}, func(r *rig) {
			channels := []string{"a", "b", "c"}[:1+random.IntN(3)]
			slow, fast := r.connect("", channels...), r.connect("", channels...)
			r.settle()
			slow.take(0)
			for range 60 {
				for range 1 + random.IntN(8) {
					r.publish(channels[random.IntN(len(channels))], strings.Repeat("x", random.IntN(200)))
				}
				if random.IntN(2) == 0 {
					r.settle()
				}
				slow.take(random.IntN(600))
				if random.IntN(3) == 0 {
					r.pass(time.Duration(random.IntN(3000)) * time.Millisecond)
				}
			}
			r.settle()
			slow.take(-1)
			r.settle()
			r.pass(time.Second)
			want := map[string]int64{}
			for name, got := range map[string][]eventstream.Event{"slow": slow.events(), "fast": fast.events()} {
				clear(want)
				n := 0
				for _, e := range got[1:] {
					if e.Name == sse.Heartbeat {
						continue
					}
					n++
					positions, err := tenants.ParseCursor(e.ID, channels)
					if err != nil {
						t.Fatalf("seed %d: %s: %q: %v", seed, name, e.ID, err)
					}
					moved := 0
					for i, c := range channels {
						if positions[i] != want[c] {
							moved++
							if positions[i] != want[c]+1 || string(e.Data) != string(r.channels[c][want[c]].Data) {
								t.Fatalf("seed %d: %s: %s goes from %d to %d", seed, name, c, want[c], positions[i])
							}
							want[c]++
						}
					}
					if moved != 1 {
						t.Fatalf("seed %d: %s: a frame moves %d channels", seed, name, moved)
					}
				}
				for _, c := range channels {
					if want[c] != int64(len(r.channels[c])) {
						t.Fatalf("seed %d: %s: %s ends at %d of %d", seed, name, c, want[c], len(r.channels[c]))
					}
				}
			}
		})
	}
}

func TestWhoIsTooSlowIsCut(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		byAge, byBytes, fine := r.connect("", "a"), r.connect("", "a"), r.connect("", "a")
		r.settle()
		byAge.take(10)
		r.publish("a", "1")
		r.settle()
		r.pass(23 * time.Second)
		if byAge.now().over {
			t.Error("cut before its time")
		}
		r.pass(3 * time.Second)
		if !byAge.now().over || byAge.now().released != 1 {
			t.Error("not cut by age")
		}
		byBytes.take(10)
		for range 5 {
			r.publish("a", strings.Repeat("x", 300<<10))
		}
		r.settle()
		r.publish("a", "the next") // the five may have come in one turn, which cuts nobody
		r.settle()
		if !byBytes.now().over || fine.now().over {
			t.Error("not cut by bytes")
		}
		if s := r.hub.Stats(); s.Ended["stalled"] != 1 || s.Ended["backlog"] != 1 || s.Connections != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A batch of any size cuts no subscriber that had kept up, however little its socket accepts.
func TestABurstAloneCutsNobody(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		x.take(10)
		r.tell("a", r.append("a", slices.Repeat([]string{strings.Repeat("x", 300<<10)}, 5)...)...)
		r.settle()
		if x.now().over {
			t.Fatal("cut for a burst")
		}
		x.take(-1)
		r.settle()
		if x.now().over || x.lastID() != "5" {
			t.Errorf("over %v at %s", x.now().over, x.lastID())
		}
	})
}

// A client that reads a little now and then is cut by the age of its unsent bytes, not kept for its progress.
func TestALiveReaderThatNeverKeepsUpIsCut(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		x.take(0)
		for range 70 {
			r.publish("a", strings.Repeat("x", 1000))
			r.pass(time.Second)
			if x.now().over {
				return
			}
			x.take(200)
		}
		t.Error("not cut")
	})
}

// A replay may take any time: only a reader that takes nothing is cut.
func TestASlowReplayIsNotCutForItsSize(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		for range 100 {
			r.append("a", strings.Repeat("x", 50<<10))
		}
		x := r.open("0", "a")
		x.room = 30 << 10
		x.attach()
		for range 200 {
			r.pass(20 * time.Second)
			x.take(30 << 10)
		}
		r.settle()
		if x.now().over || x.lastID() != "100" {
			t.Errorf("over %v at %s", x.now().over, x.lastID())
		}
	})
}
