package streamer

import "testing"

func TestTheTransportThatAcceptPrefers(t *testing.T) {
	for accept, want := range map[string]struct{ events, lines bool }{
		"":                                        {false, false},
		"*/*":                                     {false, false},
		"application/json":                        {false, false},
		"text/event-stream":                       {true, false},
		"Text/Event-Stream; charset=utf-8":        {true, false},
		"text/event-stream;q=0":                   {false, false},
		"text/event-stream; q=junk":               {false, false},
		"text/event-stream; q=NaN":                {false, false},
		"text/html, text/event-stream;q=0.1":      {true, false},
		"application/x-ndjson":                    {false, true},
		"Application/X-NDJSON ; Q=0.2, */*":       {false, true},
		"application/x-ndjson;q=0":                {false, false},
		"application/x-ndjson, text/event-stream": {true, false},
		"application/x-ndjson;q=0.9,text/event-stream;q=0.8":   {false, true},
		"application/x-ndjson;q=0.8,text/event-stream;q=0.9":   {true, false},
		"application/x-ndjson;profile=x;q=0.5, text/html":      {false, true},
		"application/x-ndjsonl":                                {false, false},
		"text/event-stream;q=0.2, application/x-ndjson ;q=0.3": {false, true},
	} {
		var a streamRequest
		a.readAccept([][]byte{[]byte(accept)})
		if a.events != want.events || a.lines != want.lines {
			t.Errorf("%q: events %v, lines %v", accept, a.events, a.lines)
		}
	}
}
