package embed

import (
	"encoding/json"
	"fmt"
	"testing"
)

// frame is one event of a stream as a listener and the cursor show it.
type frame struct{ Type, Data, Cursor string }

// grammar is the event stream grammar of WHATWG HTML 9.2.5 and 9.2.6. Events are named hookcast.a and hookcast.b, for
// which the snippet passes on data that is not a JSON object unchanged; those without a name carry an envelope. retry
// and comments must only not disturb.
var grammar = []struct {
	name, stream string
	frames       []frame
	cursor       string // at the end; "": that of the last frame
}{
	{"one event", "event: hookcast.a\ndata: x\nid: 1\n\n", []frame{{"a", "x", "1"}}, ""},
	{"no space after the colon", "event:hookcast.a\ndata:x\nid:1\n\n", []frame{{"a", "x", "1"}}, ""},
	{"one space only is taken away", "event: hookcast.a\ndata:  x \n\n", []frame{{"a", " x ", ""}}, ""},
	{"a tab is no space", "event: hookcast.a\ndata:\tx\n\n", []frame{{"a", "\tx", ""}}, ""},
	{"colons in a value", "event: hookcast.a\ndata: a:b: c\n\n", []frame{{"a", "a:b: c", ""}}, ""},
	{"CR ends lines", "event: hookcast.a\rdata: x\r\revent: hookcast.b\rdata: y\r\r",
		[]frame{{"a", "x", ""}, {"b", "y", ""}}, ""},
	{"CRLF ends lines", "event: hookcast.a\r\ndata: x\r\n\r\nevent: hookcast.b\r\ndata: y\r\n\r\n",
		[]frame{{"a", "x", ""}, {"b", "y", ""}}, ""},
	{"all three mixed", "event: hookcast.a\rdata: 1\ndata: 2\r\ndata: 3\n\r\nevent: hookcast.b\ndata: y\r\r\n",
		[]frame{{"a", "1\n2\n3", ""}, {"b", "y", ""}}, ""},
	{"LF CR is two ends", "event: hookcast.a\ndata: x\n\rdata: y\n\n", []frame{{"a", "x", ""}}, ""},
	{"several data lines", "event: hookcast.a\ndata: x\ndata\ndata:\ndata: y\n\n", []frame{{"a", "x\n\n\ny", ""}}, ""},
	{"empty data", "event: hookcast.a\ndata\n\n", []frame{{"a", "", ""}}, ""},
	{"two empty data lines", "event: hookcast.a\ndata\ndata\n\n", []frame{{"a", "\n", ""}}, ""},
	{"no data, no event", "event: hookcast.a\n\ndata: {\"channel\":\"c\",\"seq\":1,\"type\":\"t\",\"data\":\"z\"}\n\n",
		[]frame{{"t", "z", ""}}, ""},
	{"the name lasts for one event",
		"event: hookcast.a\ndata: x\n\ndata: {\"channel\":\"c\",\"seq\":1,\"type\":\"t\",\"data\":\"z\"}\n\n",
		[]frame{{"a", "x", ""}, {"t", "z", ""}}, ""},
	{"the last name counts", "event: hookcast.a\nevent: hookcast.b\ndata: x\n\n", []frame{{"b", "x", ""}}, ""},
	{"an id lasts", "id: 1\nevent: hookcast.a\ndata: x\n\nevent: hookcast.b\ndata: y\n\n",
		[]frame{{"a", "x", "1"}, {"b", "y", "1"}}, ""},
	{"an id alone moves the cursor", "id: 7\n\n", nil, "7"},
	{"an id without a blank line does not", "id: 7\n\nid: 8\n", nil, "7"},
	{"an id with NUL is ignored", "id: 1\nevent: hookcast.a\ndata: x\n\nid: 2\x00\nevent: hookcast.b\ndata: y\n\n",
		[]frame{{"a", "x", "1"}, {"b", "y", "1"}}, ""},
	{"NUL in data stays", "event: hookcast.a\ndata: x\x00y\n\n", []frame{{"a", "x\x00y", ""}}, ""},
	{"an empty id does not undo the cursor", "id: 1\nevent: hookcast.a\ndata: x\n\nid\nevent: hookcast.b\ndata: y\n\n",
		[]frame{{"a", "x", "1"}, {"b", "y", "1"}}, ""},
	{"the last event without a blank line is dropped", "event: hookcast.a\ndata: x\n\nevent: hookcast.b\ndata: y\n",
		[]frame{{"a", "x", ""}}, ""},
	{"comments", ": hello\n:\nevent: hookcast.a\n:data: no\ndata: x\n: and\n\n:\n\n", []frame{{"a", "x", ""}}, ""},
	{"unknown fields and odd ones",
		"foo: bar\nData: no\n data: no\nevent: hookcast.a\ndata: x\ndatax: no\nretry: soon\nretry: 10\n\n",
		[]frame{{"a", "x", ""}}, ""},
	{"BOM first", "\ufeffevent: hookcast.a\ndata: x\n\n", []frame{{"a", "x", ""}}, ""},
	{"BOM later is text", "event: hookcast.a\ndata: x\n\n\ufeffdata: no\nevent: hookcast.b\ndata: \ufeffy\n\n",
		[]frame{{"a", "x", ""}, {"b", "\ufeffy", ""}}, ""},
	{"two BOMs", "\ufeff\ufeffevent: hookcast.a\ndata: {}\nevent: hookcast.b\ndata: x\n\n", []frame{{"b", "{}\nx", ""}},
		""},
	{"UTF-8 of all lengths", "event: hookcast.a\ndata: ä€😀\nid: ü😀\n\n", []frame{{"a", "ä€😀", "ü😀"}}, ""},
	{"bytes that are no UTF-8", "event: hookcast.a\ndata: x\xff\xc3\n\n", []frame{{"a", "x\ufffd\ufffd", ""}}, ""},
	{"U+2028 and U+0085 end no line", "event: hookcast.a\ndata: x\u2028y\u0085z\n\n",
		[]frame{{"a", "x\u2028y\u0085z", ""}}, ""},
	{"the stop id is no cursor", "id: 4\nevent: hookcast.a\ndata: x\n\nid: !stop\nevent: hookcast.b\ndata: y\n\n",
		[]frame{{"a", "x", "4"}, {"b", "y", "4"}}, ""},
}

// feed replaces the page's fetch by one that returns the bytes in the given pieces, then ends; each connection has an
// address of its own. feed returns the output of the connection.
const feed = `
const bodies = [];
self.fetch = async (url) => bodies[+new URL(url).pathname.split('/')[1]]();
function feed(bytes, cuts) {
  return new Promise((done) => {
    const frames = [], ends = cuts.concat(bytes.length);
    let from = 0, ended = false;
    const n = bodies.push(() => new Response(new ReadableStream({pull(out) {
      if (!ends.length) return out.close();
      const to = ends.shift();
      out.enqueue(bytes.slice(from, to));
      from = to;
    }}, {highWaterMark: 0}), {headers: {'Content-Type': 'text/event-stream; charset=utf-8'}})) - 1;
    const c = Hookcast.connect({url: 'https://x.invalid/' + n, channels: 'c', transport: 'fetch', resume: false,
      timings: {min: 1e6, max: 1e6, tick: 1e6}, onstate(state) {
        if (ended || (state !== 'waiting' && state !== 'closed')) return;
        ended = true;
        const cursor = c.cursor;
        c.close();
        done({frames, cursor});
      }});
    const keep = (e) => frames.push({Type: e.type.replace('hookcast.', ''), Data: e.data, Cursor: c.cursor});
    ['hookcast.a', 'hookcast.b', 't'].forEach((type) => c.on(type, keep));
  });
}
async function everywhere(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), outcomes = new Map();
  const runs = [[], Array.from(bytes.keys()).slice(1)]; // whole, and byte by byte
  for (let i = 0; i <= bytes.length; i++) runs.push([i]);
  for (let i = 1; i < bytes.length; i++) runs.push([i, i, Math.min(i + 1, bytes.length)]); // with an empty piece
  await Promise.all(runs.map(async (cuts) => { outcomes.set(JSON.stringify(await feed(bytes, cuts)), cuts); }));
  return Array.from(outcomes, ([got, cuts]) => ({got: JSON.parse(got), cuts, runs: runs.length}));
}`

func TestParserFollowsTheGrammarWhereverTheBytesAreCut(t *testing.T) {
	s := newServer(t)
	p := s.open()
	p.Define(feed)
	for _, c := range grammar {
		t.Run(c.name, func(t *testing.T) {
			p := p.For(t)
			text, err := json.Marshal([]byte(c.stream))
			if err != nil {
				t.Fatal(err)
			}
			var outcomes []struct {
				Got struct {
					Frames []frame
					Cursor string
				}
				Cuts []int
				Runs int
			}
			if err := json.Unmarshal([]byte(p.Get(fmt.Sprintf("everywhere(%s)", text))), &outcomes); err != nil {
				t.Fatal(err)
			}
			cursor := c.cursor
			if n := len(c.frames); cursor == "" && n > 0 {
				cursor = c.frames[n-1].Cursor
			}
			for _, o := range outcomes {
				if fmt.Sprintf("%q", o.Got.Frames) != fmt.Sprintf("%q", c.frames) || o.Got.Cursor != cursor {
					t.Errorf("cut at %v: %q and cursor %q, want %q and %q", o.Cuts, o.Got.Frames, o.Got.Cursor,
						c.frames, cursor)
				}
			}
			if len(outcomes) == 0 || outcomes[0].Runs < len(c.stream) {
				t.Error("the stream was not cut everywhere")
			}
		})
	}
}
