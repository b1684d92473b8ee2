package job

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// jobLine is a line of an endpoint's answer that streams: a JSON object whose members are those of a report,
//
//	{"percent":40,"step":"rows","message":"4 of 10"}
//	{"lines":["read 10,000 rows"]}
//	{"result":{"file":"2026.zip"}}
//	{"error":"no disk"}                      or {"error":{"code":"no_disk","message":"no disk"}}
//
// or anything else, which is a line of the log: so the output of any program is an answer. Blank lines say nothing but that somebody is there.
// What a report cannot have (a percent of 200) makes the line one of the log, too.
func jobLine(line []byte) (r Report) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return r
	}
	if r, ok := jobObject(line); ok {
		return r
	}
	text := string(line)
	if len(text) > maxJobLine { // cut before it is looked at
		text = strings.ToValidUTF8(text[:maxJobLine], "") + "…"
	}
	return Report{Lines: jobLines([]string{text})}
}

// jobDepth bounds how deep a line's JSON nests.
const jobDepth = 128

func jobObject(line []byte) (r Report, ok bool) {
	if line[0] != '{' || !utf8.Valid(line) || tenants.NestsDeeper(line, jobDepth) {
		return r, false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(line, &members) != nil || len(members) == 0 {
		return r, false
	}
	for name, raw := range members {
		if !slices.Contains([]string{"percent", "step", "message", "lines", "result", "error"}, name) {
			return r, false
		}
		if string(raw) == "null" && name != "result" {
			return r, false
		}
		var err error
		switch name {
		case "percent":
			err = json.Unmarshal(raw, &r.Percent)
		case "step":
			err = json.Unmarshal(raw, &r.Step)
		case "message":
			err = json.Unmarshal(raw, &r.Message)
		case "lines":
			err = json.Unmarshal(raw, &r.Lines)
		case "result":
			r.Complete = true
			if string(raw) != "null" {
				r.Result = raw
			}
		case "error":
			r.Error, err = jobErrorOf(raw)
		}
		if err != nil {
			return r, false
		}
	}
	if r.Complete && r.Error != nil {
		return r, false
	}
	return r, r.check() == nil
}

func jobErrorOf(raw json.RawMessage) (*Error, error) {
	if raw[0] == '"' {
		var text string
		err := json.Unmarshal(raw, &text)
		return &Error{Message: text}, err
	}
	var e struct{ Code, Message string }
	err := json.Unmarshal(raw, &e)
	return &Error{Code: e.Code, Message: e.Message}, err
}
