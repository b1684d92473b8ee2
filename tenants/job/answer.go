package job

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

// Bounds of an endpoint's answer.
const (
	maxAnswer     = 8 << 20 // bytes of a streamed answer
	maxAnswerLine = MaxResult + 4096
	maxDepth      = 128 // of nested JSON
)

// isStream reports whether an answer of that content type is read line by line.
func isStream(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	switch kind {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return err == nil
	}
	return false
}

// readStream reads a streamed answer and calls report for each line that says something. It returns the report that
// ends the job: the first line with a result or an error.
func readStream(from io.Reader, report func(Report) error) Report {
	limited := &io.LimitedReader{R: from, N: maxAnswer + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 4096), maxAnswerLine)
	for lines.Scan() {
		r := readLine(lines.Bytes())
		if r.Complete || r.Error != nil {
			return r
		}
		if r.Percent == nil && r.Step == nil && r.Message == nil && r.Lines == nil {
			continue
		}
		if err := report(r); err != nil {
			return failure(ErrorBroken, "the endpoint's answer could not be stored")
		}
	}
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong) || limited.N <= 0:
		return failure(ErrorTooLarge, "the endpoint's answer, or a line of it, is too large")
	case lines.Err() != nil:
		return failure(ErrorBroken, "the endpoint's answer broke off")
	}
	return failure(ErrorBroken, "the endpoint's answer ended without a result")
}

// readResult reads an answer that is the result of the job: JSON, or else a text.
func readResult(from io.Reader) Report {
	b, err := io.ReadAll(io.LimitReader(from, MaxResult+1))
	switch {
	case err != nil:
		return failure(ErrorBroken, "the endpoint's answer broke off")
	case len(b) > MaxResult:
		return failure(ErrorTooLarge, "the endpoint's answer is larger than 256 KiB")
	case len(bytes.TrimSpace(b)) == 0:
		return Report{Complete: true}
	}
	if !json.Valid(b) || tenants.NestsDeeper(b, maxDepth) {
		b = encode(string(bytes.ToValidUTF8(b, []byte("\ufffd"))))
	}
	end := Report{Complete: true, Result: b}
	if end.check() != nil {
		return failure(ErrorTooLarge, "the endpoint's answer is larger than 256 KiB")
	}
	return end
}

// readLine reads a line of a streamed answer. A line is a JSON object with the fields of a report,
//
//	{"percent":40,"step":"rows","message":"4 of 10"}
//	{"lines":["read 10,000 rows"]}
//	{"result":{"file":"2026.zip"}}
//	{"error":"no disk"}                      or {"error":{"code":"no_disk","message":"no disk"}}
//
// or anything else, which is a line of the log: so the output of any program is an answer. An object with a value that
// a report cannot have (a percent of 200) is a line of the log, too. A blank line is an empty report: it only shows
// that the endpoint is still there.
func readLine(line []byte) (r Report) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return r
	}
	if r, ok := readObject(line); ok {
		return r
	}
	text := string(line)
	if len(text) > maxLine { // cut before the more expensive steps
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	return Report{Lines: splitLines([]string{text})}
}

func readObject(line []byte) (r Report, ok bool) {
	if line[0] != '{' || !utf8.Valid(line) || tenants.NestsDeeper(line, maxDepth) {
		return r, false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(line, &members) != nil || len(members) == 0 {
		return r, false
	}
	for name, raw := range members {
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
			r.Error, err = readError(raw)
		default:
			return r, false
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

func readError(raw json.RawMessage) (*Error, error) {
	if raw[0] == '"' {
		var text string
		err := json.Unmarshal(raw, &text)
		return &Error{Message: text}, err
	}
	var e struct{ Code, Message string }
	err := json.Unmarshal(raw, &e)
	return &Error{Code: e.Code, Message: e.Message}, err
}
