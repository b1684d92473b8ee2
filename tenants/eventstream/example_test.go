package eventstream_test

import (
	"fmt"
	"strings"

	"github.com/hookcast/hookcast/tenants/eventstream"
)

func ExampleDecoder_Next() {
	stream := strings.NewReader("retry: 2000\n\nid: 7\nevent: paid\ndata: {\"order\":1}\n\n: a comment\n\ndata: " +
		"a\ndata: b\n\n")
	decoder := eventstream.NewDecoder(stream, 64<<10)
	for {
		event, err := decoder.Next()
		if err != nil {
			fmt.Println(err, decoder.LastID(), decoder.Retry())
			return
		}
		fmt.Printf("%s %q %s\n", event.Name, event.Data, event.ID)
	}
	// Output:
	// paid "{\"order\":1}" 7
	// message "a\nb" 7
	// EOF 7 2s
}
