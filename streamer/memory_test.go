package streamer

import "testing"

// Memory is returned when a storm of connects is over and once more after its follow-up work, and never during a
// storm or for a few connects.
func TestMemoryIsGivenBackBehindAStormOfConnects(t *testing.T) {
	var s stormDetector
	now := int64(0)
	look := func(more int64) bool {
		now += more
		return s.over(now)
	}
	for range 40 {
		if look(memoryCalm-1) && now < memoryStorm {
			t.Fatalf("given back behind %d connects", now)
		}
	}
	for s.after > 0 {
		look(0)
	}
	for range 5 {
		if look(1000) {
			t.Fatal("given back in the storm")
		}
	}
	if !look(3) {
		t.Fatal("not given back behind the storm")
	}
	for i := 1; i < memoryAfter; i++ {
		if look(1) {
			t.Fatalf("given back again after %d looks", i)
		}
	}
	if look(1000) {
		t.Fatal("given back in a storm that comes behind the storm")
	}
	if !look(0) {
		t.Fatal("not given back behind the second storm")
	}
	given := 0
	for range 10 * memoryAfter {
		if look(0) {
			given++
		}
	}
	if given != 1 {
		t.Errorf("given back %d times in the calm, not once", given)
	}
}
