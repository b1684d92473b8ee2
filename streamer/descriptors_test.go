//go:build linux

package streamer

import (
	"os"
	"testing"
)

func TestOpenDescriptorsAreCounted(t *testing.T) {
	before, ok := descriptorsOpen()
	if !ok {
		t.Fatal("they cannot be counted")
	}
	for range 200 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if now, _ := descriptorsOpen(); now-before < 100 || now-before > 300 { // others are opened and closed meanwhile
		t.Errorf("200 more are %d more", now-before)
	}
}
