package sse

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Frame is one event on the wire.
type Frame struct {
	Name  string        // "": no event line
	Data  []byte        // split into lines at CR LF, CR and LF
	ID    string        // "": no id line. It must not hold CR, LF or NUL
	Retry time.Duration // in whole milliseconds; 0: no retry line
}

// AppendFrame appends f with its blank line. In the name CR, LF and NUL become "?" and invalid UTF-8 becomes U+FFFD;
// the data is not changed.
func AppendFrame(dst []byte, f Frame) []byte {
	dst = appendName(dst, name(f.Name))
	if f.Retry > 0 {
		dst = append(dst, "retry: "...)
		dst = strconv.AppendInt(dst, f.Retry.Milliseconds(), 10)
		dst = append(dst, '\n')
	}
	if f.ID != "" {
		dst = append(dst, "id: "...)
		dst = append(dst, f.ID...)
		dst = append(dst, '\n')
	}
	return append(appendData(dst, f.Data), '\n')
}

func appendName(dst []byte, name string) []byte {
	if name == "" {
		return dst
	}
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	return append(dst, '\n')
}

// name makes a type fit for an event line.
func name(typ string) string {
	if utf8.ValidString(typ) && !strings.ContainsAny(typ, "\r\n\x00") {
		return typ
	}
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(typ, "\ufffd"))
}

// plain reports whether data arrives byte for byte in data lines.
func plain(data []byte) bool { return bytes.IndexByte(data, '\r') < 0 && utf8.Valid(data) }

func appendData(dst, data []byte) []byte {
	for {
		i := bytes.IndexAny(data, "\r\n")
		line := data
		if i >= 0 {
			line = data[:i]
		}
		dst = append(dst, "data: "...)
		dst = append(dst, line...)
		dst = append(dst, '\n')
		if i < 0 {
			return dst
		}
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			i++
		}
		data = data[i+1:]
	}
}

func appendBase64(dst, data []byte) []byte {
	dst = append(dst, "data: "...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '\n')
}

// Payload returns the type and the payload of a frame in the format Data.
func Payload(name string, data []byte) (typ string, payload []byte, err error) {
	typ, ok := strings.CutSuffix(name, suffixBase64)
	if !ok {
		return name, data, nil
	}
	payload, err = base64.StdEncoding.AppendDecode([]byte{}, data)
	return typ, payload, err
}
