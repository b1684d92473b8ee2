// Package envelope encodes an event as JSON for lists, polls and untyped streams. It has the plain form of the API
// and the CloudEvents 1.0 form, both as one line of UTF-8 without CR or LF.
package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// Append appends the event as the API shows it:
//
//	{"id","seq","channel","type","data","encoding"?,"source"?,"verified"?,"time","duplicate_of"?}
//
// data is the payload itself (without the white space between its tokens) if it is valid JSON in UTF-8. Otherwise it
// is a string: the payload's text if that is UTF-8, else its base64 (RFC 4648 section 4) along with
// "encoding":"base64". source is left out for a published event; verified is present, and false, if the source
// verifies nothing; time is RFC 3339 in UTC.
func Append(dst []byte, e tenants.Event) []byte {
	dst = append(dst, `{"id":`...)
	dst = AppendString(dst, e.ID)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendInt(dst, e.Seq, 10)
	dst = append(dst, `,"channel":`...)
	dst = AppendString(dst, e.Channel)
	dst = append(dst, `,"type":`...)
	dst = AppendString(dst, e.Type)
	dst = append(dst, `,"data":`...)
	dst, kind := appendData(dst, e.Data)
	if kind == binary {
		dst = append(dst, `,"encoding":"base64"`...)
	}
	dst = appendOrigin(dst, e)
	return append(dst, '}')
}

// appendOrigin appends the members that say where an event came from and when.
func appendOrigin(dst []byte, e tenants.Event) []byte {
	if e.Source != "" {
		dst = append(dst, `,"source":`...)
		dst = AppendString(dst, e.Source)
	}
	if e.Provenance != nil && !e.Provenance.Verified {
		dst = append(dst, `,"verified":false`...)
	}
	dst = append(dst, `,"time":`...)
	dst = AppendTime(dst, e.Time)
	if e.DuplicateOf != "" {
		dst = append(dst, `,"duplicate_of":`...)
		dst = AppendString(dst, e.DuplicateOf)
	}
	return dst
}

// AppendTime appends t as an RFC 3339 string in UTC.
func AppendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

type dataKind int

const (
	value  dataKind = iota // a JSON value
	text                   // UTF-8 that is not JSON
	binary                 // anything else
)

// appendData appends a payload as a JSON value and returns its kind.
func appendData(dst, data []byte) ([]byte, dataKind) {
	switch {
	case !utf8.Valid(data):
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, data)
		return append(dst, '"'), binary
	case embeddable(data):
		return appendCompact(dst, data), value
	default:
		return AppendString(dst, string(data)), text
	}
}

// maxDepth is how deep a payload may nest to be embedded as JSON. Decoders have limits of their own (encoding/json:
// 10,000), and one payload near the limit would make a whole page of events undecodable.
const maxDepth = 512

// embeddable reports whether data can be a value in a JSON document.
func embeddable(data []byte) bool { return json.Valid(data) && !tenants.NestsDeeper(data, maxDepth) }

// appendCompact appends valid JSON without the white space between its tokens; it does not change the tokens.
func appendCompact(dst, data []byte) []byte {
	buf := bytes.NewBuffer(dst)
	if err := json.Compact(buf, data); err != nil {
		panic("envelope: valid JSON compacts: " + err.Error())
	}
	return buf.Bytes()
}

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string (RFC 8259 section 7). Bytes that are not valid UTF-8 become U+FFFD. In
// addition to the characters that JSON requires, it escapes U+2028 and U+2029, which older JavaScript treats as line
// ends.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				dst = append(dst, s[start:i]...)
				dst = append(dst, `\ufffd`...)
				start = i + 1
			case r == '\u2028' || r == '\u2029':
				dst = append(dst, s[start:i]...)
				dst = append(dst, `\u202`...)
				dst = append(dst, hex[r&0xf])
				start = i + n
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
