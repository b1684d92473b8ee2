package ndjson

import (
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/envelope"
)

// AppendEvent appends e's object without its end, which AppendCursor appends.
func AppendEvent(dst []byte, e *tenants.Event, cloudEvents bool) []byte {
	if cloudEvents {
		dst = envelope.AppendCloudEvent(dst, *e)
	} else {
		dst = envelope.Append(dst, *e)
	}
	return dst[:len(dst)-1]
}

// AppendCursor appends the last member and the end of an object.
func AppendCursor(dst, cursor []byte) []byte {
	dst = append(dst, `,"cursor":"`...)
	dst = append(dst, cursor...) // a cursor needs no escaping
	return append(dst, '"', '}')
}

// AppendControl appends an object of Hookcast's own. data is a JSON object, whose members are included.
func AppendControl(dst []byte, name string, data []byte, cursor string, retry time.Duration) []byte {
	dst = append(dst, `{"type":`...)
	dst = envelope.AppendString(dst, name)
	if len(data) > len(`{}`) {
		dst = append(dst, ',')
		dst = append(dst, data[1:len(data)-1]...)
	}
	if retry > 0 {
		dst = append(dst, `,"retry_ms":`...)
		dst = strconv.AppendInt(dst, retry.Milliseconds(), 10)
	}
	if cursor != "" {
		return AppendCursor(dst, []byte(cursor))
	}
	return append(dst, '}')
}
