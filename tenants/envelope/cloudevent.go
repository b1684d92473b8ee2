package envelope

import (
	"encoding/base64"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// AppendCloudEvent appends the event in the JSON format of CloudEvents 1.0.2
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md). The required attributes are
// never empty: type is "message" if the event has none; source is /sources/{id} for an event from a provider and
// /channels/{channel} for a published one. subject is the channel.
//
// Extension attributes: sequence (19 digits, so that lexicographic order is numeric order, as the sequence extension
// asks), duplicateof, and for a provider's delivery: received, scheme, verified, signed, deliveryid, attempt.
//
// A payload of a JSON media type, or valid JSON without a declared type, is data as a JSON value; other UTF-8 is data
// as a string; everything else is data_base64.
func AppendCloudEvent(dst []byte, e tenants.Event) []byte {
	typ := e.Type
	if typ == "" {
		typ = "message"
	}
	source := "/channels/" + e.Channel
	if e.Source != "" {
		source = "/sources/" + e.Source
	}
	dst = append(dst, `{"specversion":"1.0"`...)
	dst = member(dst, "id", e.ID)
	dst = member(dst, "source", source)
	dst = member(dst, "type", typ)
	dst = member(dst, "subject", e.Channel)
	dst = append(dst, `,"time":`...)
	dst = AppendTime(dst, e.Time)
	dst = append(dst, fmt.Sprintf(`,"sequence":"%019d"`, e.Seq)...)
	if e.DuplicateOf != "" {
		dst = member(dst, "duplicateof", e.DuplicateOf)
	}
	if p := e.Provenance; p != nil && p.Scheme != "" { // without a scheme it is a copy of a published event
		dst = append(dst, `,"received":`...)
		dst = AppendTime(dst, e.Time)
		dst = member(dst, "scheme", p.Scheme)
		dst = append(dst, `,"verified":`...)
		dst = strconv.AppendBool(dst, p.Verified)
		if !p.Signed.IsZero() {
			dst = append(dst, `,"signed":`...)
			dst = AppendTime(dst, p.Signed)
		}
		if p.DeliveryID != "" {
			dst = member(dst, "deliveryid", p.DeliveryID)
		}
		if p.Attempt > 0 {
			dst = append(dst, `,"attempt":`...)
			dst = strconv.AppendInt(dst, int64(p.Attempt), 10)
		}
	}
	if p := e.Provenance; p != nil && p.ReplayOf != "" {
		dst = member(dst, "replayof", p.ReplayOf)
	}
	dst = appendCloudData(dst, e)
	return append(dst, '}')
}

func appendCloudData(dst []byte, e tenants.Event) []byte {
	declared := e.ContentType
	isJSON := declared == "" || jsonMediaType(declared)
	isUTF8 := utf8.Valid(e.Data)
	switch {
	case isJSON && isUTF8 && embeddable(e.Data):
		if declared == "" {
			declared = "application/json"
		}
		dst = member(dst, "datacontenttype", declared)
		dst = append(dst, `,"data":`...)
		return appendCompact(dst, e.Data)
	case isUTF8 && !jsonMediaType(declared):
		if declared == "" {
			declared = "text/plain"
		}
		dst = member(dst, "datacontenttype", declared)
		return member(dst, "data", string(e.Data))
	}
	if declared == "" {
		declared = "application/octet-stream"
	}
	dst = member(dst, "datacontenttype", declared)
	dst = append(dst, `,"data_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, e.Data)
	return append(dst, '"')
}

// jsonMediaType reports whether a declared content type is JSON: subtype json, or with the suffix +json (RFC 6839).
func jsonMediaType(declared string) bool {
	t, _, err := mime.ParseMediaType(declared)
	_, sub, ok := strings.Cut(t, "/")
	return err == nil && ok && (sub == "json" || strings.HasSuffix(sub, "+json"))
}

// member appends a comma and a string member to an object.
func member(dst []byte, name, s string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return AppendString(dst, s)
}
