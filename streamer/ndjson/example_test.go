package ndjson_test

import (
	"os"
	"time"

	"github.com/hookcast/hookcast/streamer/ndjson"
	"github.com/hookcast/hookcast/tenants"
)

func ExampleFormat() {
	var format ndjson.Format
	line := format.AppendEvent(nil, &tenants.Event{
		ID: "evt_1", Seq: 7, Channel: "orders", Type: "paid", Data: []byte(`{}`),
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
	line = format.AppendEnd(line, []byte("7"))
	line = format.AppendControl(line, "hookcast.gap", []byte(`{"channel":"orders","from":8,"to":9}`), "9", 0)
	os.Stdout.Write(line)
	// Output:
	// {"id":"evt_1","seq":7,"channel":"orders","type":"paid","data":{},"time":"2026-01-02T03:04:05Z","cursor":"7"}
	// {"type":"hookcast.gap","channel":"orders","from":8,"to":9,"cursor":"9"}
}
