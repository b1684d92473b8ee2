package signing

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is read from a verified request, in bytes.
const (
	MaxDeliveryID = 256
	MaxType       = 128
)

// identify reads delivery id, type and attempt into v. To be called once the request is believed.
func (s Scheme) identify(r Request, v *Verified) {
	if s.signs(idPart) {
		v.DeliveryID, v.IDSigned = r.Header[s.ID[0].Header][0], true // signedID has looked at it
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
			v.Notes = append(v.Notes, "attempt left out: it is not a number")
		}
	}
}

// first gives the value at the first place that has a usable one, and notes the unusable ones.
func first(r Request, places []Place, limit int, what string, v *Verified) (string, Place) {
	for _, p := range places {
		text, found := r.at(p, limit)
		if !found {
			continue
		}
		reason := unusable(text, limit)
		if p.Header != "" && strings.Contains(text, ",") {
			reason = "is several headers joined by a comma"
		}
		if reason == "" {
			return text, p
		}
		v.Notes = append(v.Notes, what+" left out: "+p.Header+p.Field+" "+reason)
	}
	return "", Place{}
}

// at reads a place. A value of which there are two, or that is too long, comes back as one that is unusable.
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

// joined reads several fields as one text, in which a colon parts them and a backslash stands before any of their own: "a:b" and
// "c" are another text than "a" and "b:c". It is there only where all of them are.
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

// unusable says why a text cannot be an id or a type, or "". Besides control characters this refuses what does not show
// and U+FFFD, which many different broken texts decode to.
func unusable(text string, limit int) string {
	if text == "" {
		return "is empty"
	}
	if len(text) > limit {
		return "is longer than " + strconv.Itoa(limit) + " bytes"
	}
	for _, c := range text {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return "holds characters that are not printable text"
		}
	}
	return ""
}
