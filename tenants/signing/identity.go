package signing

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Upper bounds of values read from a verified request, in bytes.
const (
	MaxDeliveryID = 256
	MaxType       = 128
)

// identify sets the delivery id, type and attempt in v. Call it only once the request is verified.
func (s Scheme) identify(r Request, v *Verified) {
	if s.signs(idPart) {
		v.DeliveryID, v.IDSigned = r.Header[s.ID[0].Header][0], true // signedID has checked it
	} else {
		var from Place
		v.DeliveryID, from = first(r, s.ID[:], MaxDeliveryID, "delivery id", v)
		v.IDSigned = from.signed(s) && !s.None()
	}
	v.Type, _ = first(r, s.Type[:], MaxType, "type", v)
	if text, _ := first(r, []Place{s.Attempt}, 9, "attempt", v); text != "" {
		if n, err := strconv.ParseUint(text, 10, 31); err == nil {
			v.Attempt = int(n) + s.AttemptOffset
		} else {
			v.Notes = append(v.Notes, "attempt ignored: it is not a number")
		}
	}
}

// first returns the value at the first place with a usable one, and notes the unusable ones.
func first(r Request, places []Place, limit int, name string, v *Verified) (string, Place) {
	for _, p := range places {
		text, found := r.at(p, limit)
		if !found {
			continue
		}
		reason := unusable(text, limit)
		if p.Header != "" && strings.Contains(text, ",") {
			reason = "is several headers joined with a comma"
		}
		if reason == "" {
			return text, p
		}
		v.Notes = append(v.Notes, name+" ignored: "+p.Header+p.Field+" "+reason)
	}
	return "", Place{}
}

// at returns the value at a place. A repeated header or an overlong field is returned as an unusable value.
func (r Request) at(p Place, limit int) (string, bool) {
	if p.Header != "" {
		values := r.values(p.Header)
		if len(values) == 0 {
			return "", false
		}
		return strings.Join(values, ","), true
	}
	switch {
	case p.Body:
		sum := sha256.Sum256(r.Body)
		return hex.EncodeToString(sum[:]), true
	case p.Field == "":
		return "", false
	case !strings.Contains(p.Field, "+"):
		return jsonField(r.Body, p.Field, limit)
	}
	return r.joined(p.Field, limit)
}

// joined returns several fields as one text, joined by colons, with colons and backslashes in the fields escaped:
// "a:b" and "c" differ from "a" and "b:c". All fields must be present.
func (r Request) joined(fields string, limit int) (string, bool) {
	var texts []string
	for field := range strings.SplitSeq(fields, "+") {
		text, found := jsonField(r.Body, field, limit)
		if !found {
			return "", false
		}
		texts = append(texts, strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(text))
	}
	return strings.Join(texts, ":"), true
}

// unusable returns why text cannot be an id or a type, or "". It refuses control and invisible characters, and
// U+FFFD, to which many different invalid texts decode.
func unusable(text string, limit int) string {
	if text == "" {
		return "is empty"
	}
	if len(text) > limit {
		return "is longer than " + strconv.Itoa(limit) + " bytes"
	}
	for _, c := range text {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return "contains characters that are not printable"
		}
	}
	return ""
}
