package envelope_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/envelope"
)

var paid = tenants.Event{
	ID: "evt_1", Seq: 7, Channel: "orders", Type: "paid", Data: []byte(`{ "total": 12.50 }`),
	Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
}

func ExampleAppend() {
	fmt.Printf("%s\n", envelope.Append(nil, paid))
	// Output:
	// {"id":"evt_1","seq":7,"channel":"orders","type":"paid","data":{"total":12.50},"time":"2026-01-02T03:04:05Z"}
}

func ExampleAppendCloudEvent() {
	var indented bytes.Buffer
	if err := json.Indent(&indented, envelope.AppendCloudEvent(nil, paid), "", "  "); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(&indented)
	// Output:
	// {
	//   "specversion": "1.0",
	//   "id": "evt_1",
	//   "source": "/channels/orders",
	//   "type": "paid",
	//   "subject": "orders",
	//   "time": "2026-01-02T03:04:05Z",
	//   "sequence": "0000000000000000007",
	//   "datacontenttype": "application/json",
	//   "data": {
	//     "total": 12.50
	//   }
	// }
}
