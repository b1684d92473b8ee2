package sse_test

import (
	"os"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
)

func ExampleAppendFrame() {
	frame := sse.Frame{Name: "paid", Data: []byte("{\n  \"total\": 12\n}"), ID: "7", Retry: 2 * time.Second}
	os.Stdout.Write(sse.AppendFrame(nil, frame))
	// Output:
	// event: paid
	// retry: 2000
	// id: 7
	// data: {
	// data:   "total": 12
	// data: }
}
