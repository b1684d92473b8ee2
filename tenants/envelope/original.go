package envelope

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/hookcast/hookcast/tenants"
)

// AppendOriginal appends the event as it came in, for who is to hand it on unchanged:
//
//	{"id","seq","channel","type","source"?,"verified"?,"time","duplicate_of"?,"content_type"?,"headers"?,"decoded"?,"hops"?,"data_base64"}
//
// data_base64 is the payload byte for byte (RFC 4648 section 4). headers are those of the provider's that its scheme names; decoded is
// there, and true, where the payload is not the body that was signed but what its Content-Encoding made of it.
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
