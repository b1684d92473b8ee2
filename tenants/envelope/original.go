package envelope

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/hookcast/hookcast/tenants"
)

// AppendOriginal appends the event as it was received, for a caller that forwards it unchanged:
//
//	{"id","seq","channel","type","source"?,"verified"?,"time","duplicate_of"?,
//	 "content_type"?,"headers"?,"decoded"?,"hops"?,"data_base64"}
//
// data_base64 is the unchanged payload (RFC 4648 section 4). headers are the provider's headers that its scheme
// names. decoded is present, and true, if the payload was decoded from the Content-Encoding of the signed body.
func AppendOriginal(dst []byte, e tenants.Event) []byte {
	dst = append(dst, `{"id":`...)
	dst = AppendString(dst, e.ID)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendInt(dst, e.Seq, 10)
	dst = member(dst, "channel", e.Channel)
	dst = member(dst, "type", e.Type)
	dst = appendOrigin(dst, e)
	if e.ContentType != "" {
		dst = member(dst, "content_type", e.ContentType)
	}
	if p := e.Provenance; p != nil {
		if len(p.Headers) > 0 {
			headers, err := json.Marshal(p.Headers)
			if err != nil {
				panic("envelope: texts always marshal: " + err.Error())
			}
			dst = append(append(dst, `,"headers":`...), headers...)
		}
		if p.Decoded {
			dst = append(dst, `,"decoded":true`...)
		}
	}
	if e.Hops > 0 {
		dst = strconv.AppendInt(append(dst, `,"hops":`...), int64(e.Hops), 10)
	}
	dst = append(dst, `,"data_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, e.Data)
	return append(dst, '"', '}')
}
