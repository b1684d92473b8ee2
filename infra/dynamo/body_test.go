package dynamo

import (
	"bytes"
	"compress/flate"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// random returns n bytes that do not compress.
func random(n int) []byte {
	b, rng := make([]byte, n), rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// Random is random for the external tests.
var Random = random

func TestBodiesComeBack(t *testing.T) {
	var c bodies
	for _, n := range []int{0, 1, minDeflate - 1, minDeflate, 1000, 10_000, maxBody} {
		for name, body := range map[string][]byte{"random": random(n),
			"json": []byte(strings.Repeat(`{"order":42},`, n/13+1))[:n]} {
			var wg sync.WaitGroup
			for range 4 { // compressors are shared
				wg.Go(func() {
					stored, encoding := c.encode(body)
					if shrank := len(stored) < len(body); shrank != (name == "json" && n >= minDeflate) ||
						shrank != (encoding == deflated) {
						t.Errorf("encode of %s of %d bytes = %d bytes with encoding %d", name, n, len(stored), encoding)
					}
					if got, err := c.decode(stored, encoding); err != nil || !bytes.Equal(got, body) {
						t.Errorf("decode of %s of %d bytes = %d bytes, %v", name, n, len(got), err)
					}
				})
			}
			wg.Wait()
		}
	}
}

func TestDamagedBodiesAreRefused(t *testing.T) {
	var c bodies
	stored, encoding := c.encode(bytes.Repeat([]byte("abc"), 1000))
	if encoding != deflated {
		t.Fatalf("encode chose encoding %d, want %d", encoding, deflated)
	}
	var bomb bytes.Buffer
	w, _ := flate.NewWriter(&bomb, flate.BestCompression)
	_, _ = w.Write(make([]byte, 100<<20))
	_ = w.Close()
	for name, b := range map[string][]byte{"cut short": stored[:len(stored)-1], "none": {}, "noise": random(1000),
		"too large": bomb.Bytes()} {
		if body, err := c.decode(b, deflated); err == nil {
			t.Errorf("decode of a body that is %s = %d bytes, want an error", name, len(body))
		}
	}
	if _, err := c.decode(stored, 2); err == nil {
		t.Error("decode accepted the unknown encoding 2")
	}
	if got, err := c.decode(stored, deflated); err != nil || len(got) != 3000 {
		t.Errorf("decode after the errors = %d bytes, %v, want 3000", len(got), err)
	}
}
