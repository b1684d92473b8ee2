package ws_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/streamer/ws"
	"github.com/hookcast/hookcast/tenants"
)

// masked returns a frame as a client sends it, with the mask of the examples of RFC 6455 section 5.7.
func masked(first byte, payload string) []byte {
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0xfe), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0xff), uint64(n))
	}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i&3])
	}
	return b
}

// receive passes b in pieces of n bytes, and returns the result: "text:Hello ping: … 1002".
func receive(b []byte, n int) string {
	var r ws.Receiver
	var got []string
	for len(b) > 0 {
		n := min(n, len(b))
		err := r.Take(b[:n:n], func(m ws.Message) error {
			switch m.Op {
			case ws.Text:
				got = append(got, "text:"+string(m.Data))
			case ws.Ping:
				got = append(got, "ping:"+string(m.Data))
			case ws.Pong:
				got = append(got, "pong:"+string(m.Data))
			case ws.Close:
				got = append(got, fmt.Sprintf("close:%d%s", m.Code, m.Data))
			}
			return nil
		})
		if e, ok := errors.AsType[*ws.Error](err); ok {
			return strings.Join(append(got, fmt.Sprint(e.Code)), " ")
		}
		b = b[n:]
	}
	return strings.Join(got, " ")
}

func TestWhatAClientSends(t *testing.T) {
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	most := strings.Repeat("x", ws.MaxMessage)
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"the RFC's masked text": {[]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58},
			"text:Hello"},
		"the RFC's masked pong": {[]byte{0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58},
			"pong:Hello"},
		"the RFC's unmasked text":     {[]byte{0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}, "1002"},
		"the RFC's fragments, masked": {join(masked(0x01, "Hel"), masked(0x80, "lo")), "text:Hello"},
		"a ping between fragments": {join(masked(0x01, "Hel"), masked(0x89, "x"), masked(0x80, "lo")),
			"ping:x text:Hello"},
		"empty fragments": {join(masked(0x01, ""), masked(0x00, ""), masked(0x00, "a"),
			masked(0x80, "")), "text:a"},
		"an empty text":         {masked(0x81, ""), "text:"},
		"two messages":          {join(masked(0x81, "a"), masked(0x81, "b")), "text:a text:b"},
		"126 bytes":             {masked(0x81, most[:126]), "text:" + most[:126]},
		"the most there may be": {masked(0x81, most), "text:" + most},
		"the most, in fragments": {join(masked(0x01, most[:100]), masked(0x80, most[100:])),
			"text:" + most},
		"one more byte":               {masked(0x81, most+"x"), "1009"},
		"one more byte, in fragments": {join(masked(0x01, most), masked(0x00, "x")), "1009"},
		"a gigabyte, claimed":         {[]byte{0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0}, "1009"},
		"a gigabyte of fragment, claimed": {join(masked(0x01, "a"), []byte{0x80, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0}),
			"1009"},
		"64 bits":                            {[]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1}, "1002"},
		"a length in 16 bits that fits 7":    {[]byte{0x81, 0xfe, 0, 125, 0, 0, 0, 0}, "1002"},
		"a length in 64 bits that fits 16":   {[]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, "1002"},
		"binary":                             {masked(0x82, "a"), "1003"},
		"a reserved bit":                     {masked(0xc1, "a"), "1002"},
		"the last reserved bit":              {masked(0x91, "a"), "1002"},
		"an opcode of no meaning":            {masked(0x83, "a"), "1002"},
		"a control opcode of no meaning":     {masked(0x8b, "a"), "1002"},
		"a ping in fragments":                {masked(0x09, "a"), "1002"},
		"a ping of 126 bytes":                {masked(0x89, most[:126]), "1002"},
		"a ping of 125 bytes":                {masked(0x89, most[:125]), "ping:" + most[:125]},
		"a fragment of nothing":              {masked(0x80, "a"), "1002"},
		"a message within a message":         {join(masked(0x01, "a"), masked(0x81, "b")), "1002"},
		"text that is no UTF-8":              {masked(0x81, "\xff"), "1007"},
		"a letter cut in two":                {join(masked(0x01, "\xc3"), masked(0x80, "\xa9")), "text:é"},
		"half a letter":                      {join(masked(0x01, "a"), masked(0x80, "\xc3")), "1007"},
		"a close of no code":                 {masked(0x88, ""), "close:1005"},
		"a close of half a code":             {masked(0x88, "\x03"), "1002"},
		"a close":                            {masked(0x88, "\x03\xe8bye"), "close:1000bye"},
		"a close with a code of a library's": {masked(0x88, "\x0b\xb8"), "close:3000"},
		"a close with a code for no wire":    {masked(0x88, "\x03\xed"), "1002"},
		"a close with an unknown code":       {masked(0x88, "\x07\xd0"), "1002"},
		"a close with a reason of no UTF-8":  {masked(0x88, "\x03\xe8\xff"), "1007"},
		"half a frame":                       {masked(0x81, "Hello")[:8], ""},
	} {
		for _, n := range []int{len(c.in), 1, 3, 7} {
			if got := receive(c.in, n); got != c.want {
				t.Errorf("%s, %d bytes at a time: got %.60q, want %.60q", name, n, got, c.want)
			}
		}
	}
}

// A frame is refused by its first bytes alone.
func TestWhatIsRefusedIsRefusedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		code ws.Code
	}{
		"a reserved bit":     {[]byte{0xc1}, 1002},
		"binary":             {[]byte{0x82}, 1003},
		"no mask":            {[]byte{0x81, 0x05}, 1002},
		"a long ping":        {[]byte{0x89, 0xfe}, 1002},
		"a gigabyte":         {[]byte{0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0}, 1009},
		"a little too much":  {[]byte{0x81, 0xfe, 0x40, 0x01}, 1009},
		"a fragment of none": {[]byte{0x80}, 1002},
	} {
		var r ws.Receiver
		err := r.Take(c.in, nil)
		if e, ok := errors.AsType[*ws.Error](err); !ok || e.Code != c.code || e.Reason == "" {
			t.Errorf("%s: %v, want %d", name, err, c.code)
		}
	}
}

func TestAReceiverHoldsNothingBetweenMessages(t *testing.T) {
	var r ws.Receiver
	all := bytes.Join([][]byte{masked(0x01, "Hel"), masked(0x89, ""), masked(0x80, "lo")}, nil)
	for i := range all {
		if err := r.Take(all[i:i+1], func(ws.Message) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if held := fmt.Sprintf("%v", r); held != fmt.Sprintf("%v", ws.Receiver{}) {
		t.Errorf("it holds %s", held)
	}
}

func TestAnErrorOfTheReadersEndsIt(t *testing.T) {
	var r ws.Receiver
	stop := errors.New("stop")
	calls := 0
	err := r.Take(append(masked(0x81, "a"), masked(0x81, "b")...), func(ws.Message) error { calls++; return stop })
	if err != stop || calls != 1 {
		t.Errorf("%v after %d", err, calls)
	}
}

func TestFramesOut(t *testing.T) {
	f := ws.Format{}
	e := &tenants.Event{ID: "evt_1", Seq: 3, Channel: "a", Type: "t", Data: []byte("1"), Time: time.Unix(0, 0)}
	const body = `{"id":"evt_1","seq":3,"channel":"a","type":"t","data":1,"time":"1970-01-01T00:00:00Z"`
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"the RFC's text": {ws.AppendFrame(nil, ws.Text, []byte("Hello")), "\x81\x05Hello"},
		"the RFC's ping": {ws.AppendFrame(nil, ws.Ping, []byte("Hello")), "\x89\x05Hello"},
		"256 bytes":      {ws.AppendFrame(nil, ws.Binary, make([]byte, 256))[:4], "\x82\x7e\x01\x00"},
		"65,536 bytes": {ws.AppendFrame(nil, ws.Binary, make([]byte, 65536))[:10],
			"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
		"a close":            {ws.AppendClose(nil, ws.Policy, "why"), "\x88\x05\x03\xf0why"},
		"a close that's cut": {ws.AppendClose(nil, ws.Policy, strings.Repeat("x", 200))[:4], "\x88\x7d\x03\xf0"},
		"an event's start":   {f.AppendEvent([]byte("x"), e), "x\x01" + string(rune(len(body))) + body},
		"an event's end":     {f.AppendEnd([]byte("x"), []byte("3")), "x\x80\x0e" + `,"cursor":"3"}`},
		"a control": {f.AppendControl([]byte("x"), sse.Goodbye, []byte(`{}`), "", time.Second),
			"x\x81\x2b" + `{"type":"hookcast.goodbye","retry_ms":1000}`},
		"a heartbeat": {f.AppendControl(nil, sse.Heartbeat, []byte(`{}`), "", 0),
			"\x81\x1d" + `{"type":"hookcast.heartbeat"}` + "\x89\x00"},
		"ended":   {f.AppendClose(nil, sse.Ended), "\x88\x10\x03\xe8hookcast.ended"},
		"goodbye": {f.AppendClose(nil, sse.Goodbye), "\x88\x12\x03\xe9hookcast.goodbye"},
		"denied":  {f.AppendClose(nil, sse.Denied), "\x88\x11\x03\xf0hookcast.denied"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
}

func TestHandshake(t *testing.T) {
	if got := ws.Accept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455 section 1.3
		t.Error(got)
	}
	for key, want := range map[string]bool{
		"dGhlIHNhbXBsZSBub25jZQ==": true, "": false, "dGhlIHNhbXBsZSBub25jZQ": false, "dGhlIHNhbXBsZSBub25j": false,
		"dGhlIHNhbXBsZSBub25jZQ==\n": false,
		"!GhlIHNhbXBsZSBub25jZQ==":   false, "dGhlIHNhbXBsZSBub25jZR==": false, "dGhlIHNhbXBsZSBub25jZWFh": false,
	} {
		if ws.ValidKey(key) != want {
			t.Errorf("%q: %v", key, !want)
		}
	}
	lines := func(s ...string) (b [][]byte) {
		for _, x := range s {
			b = append(b, []byte(x))
		}
		return b
	}
	if !ws.Lists(lines("keep-alive, Upgrade"), "upgrade") || !ws.Lists(lines("a", "UPGRADE"), "upgrade") ||
		ws.Lists(lines("upgraded", ""), "upgrade") {
		t.Error("lists of tokens")
	}
}

// FuzzReceiver checks that the result does not depend on how bytes arrive, and that memory is bounded.
func FuzzReceiver(f *testing.F) {
	f.Add(masked(0x81, "Hello"), 3)
	f.Add(append(masked(0x01, "Hel"), masked(0x80, "lo")...), 1)
	f.Add(append(masked(0x89, ""), masked(0x88, "\x03\xe8bye")...), 2)
	f.Add([]byte{0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0}, 4)
	f.Add([]byte{0x82, 0x30}, 1) // binary, and without a mask
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		n = 1 + max(n, -n-1)%64
		if once, often := receive(b, len(b)), receive(b, n); once != often {
			t.Errorf("at once %q, %d bytes at a time %q", once, n, often)
		}
	})
}
