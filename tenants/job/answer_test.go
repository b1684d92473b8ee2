package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
)

func TestJobLine(t *testing.T) {
	deep := `{"result":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}"
	for line, want := range map[string]string{
		"":                                     "",
		" \t\r":                                "",
		`{"percent":40.129,"step":"a"}`:        "percent 40.12 step a",
		`{"message":"m","lines":["x"]}`:        "message m lines [x]",
		`{"result":{"a": 1}}`:                  `result {"a":1}`,
		`{"result":null}`:                      "result ",
		`{"error":"no disk"}`:                  "error failed no disk",
		`{"error":{"code":"c","message":"m"}}`: "error c m",
		"plain text":                           "lines [plain text]",
		"a\x00b\xffc":                          "lines [a\ufffdb\ufffdc]",
		`{}`:                                   "lines [{}]",
		`[1]`:                                  "lines [[1]]",
		`{"percent":200}`:                      `lines [{"percent":200}]`,
		`{"percent":null}`:                     `lines [{"percent":null}]`,
		`{"percent":"40"}`:                     `lines [{"percent":"40"}]`,
		`{"level":"info","message":"m"}`:       `lines [{"level":"info","message":"m"}]`,
		`{"result":1,"error":"x"}`:             `lines [{"result":1,"error":"x"}]`,
		`{"percent":1} {"percent":2}`:          `lines [{"percent":1} {"percent":2}]`,
		`{"error":""}`:                         `lines [{"error":""}]`,
		deep:                                   "lines [" + deep + "]",
	} {
		if got := text(readLine([]byte(line))); got != want {
			t.Errorf("the line %q is read as %q, want %q", line, got, want)
		}
	}
}

// text writes a report in one line.
func text(r Report) string {
	var s []string
	if r.Percent != nil {
		s = append(s, fmt.Sprint("percent ", *r.Percent))
	}
	if r.Step != nil {
		s = append(s, "step "+*r.Step)
	}
	if r.Message != nil {
		s = append(s, "message "+*r.Message)
	}
	if r.Lines != nil {
		s = append(s, fmt.Sprint("lines ", r.Lines))
	}
	if r.Complete {
		s = append(s, "result "+string(r.Result))
	}
	if r.Error != nil {
		s = append(s, "error "+r.Error.Code+" "+r.Error.Message)
	}
	return strings.Join(s, " ")
}

func FuzzJobLine(f *testing.F) {
	for _, seed := range []string{
		"", "x", `{"percent":40}`, `{"lines":["a\u0000\nb"],"step":"\ud800"}`, `{"result":{"a":[1e400]}}`,
		`{"error":{"code":"c","message":"m"}}`, "\xff{", `{"percent":1,"percent":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		r := readLine(line)
		if !bytes.Equal(line, before) {
			t.Fatalf("readLine changed its argument %q to %q", before, line)
		}
		again := r
		if err := again.check(); err != nil {
			t.Fatalf("the line %q is read as a report that check refuses: %v", line, err)
		}
		if r.Complete && r.Error != nil || r.Percent != nil && (*r.Percent < 0 || *r.Percent > 100) {
			t.Fatalf("the line %q is read as %+v, want a percentage of 0 to 100 and one end", line, r)
		}
		j := Job{State: Running}
		j.apply(r, j.Created)
		if b := j.data(r.Lines); !json.Valid(b) || !utf8.Valid(b) && utf8.Valid(line) {
			t.Fatalf("the event for the line %q is %q, want valid JSON and UTF-8", line, b)
		}
	})
}

func TestJobAnswerThatStreamsIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ body, code string }{
		"an endless line": {strings.Repeat("x", maxAnswerLine+1), ErrorTooLarge},
		"endless lines":   {strings.Repeat(strings.Repeat("x", 1000)+"\n", 9<<10), ErrorTooLarge},
		"no result":       {"{\"percent\":1}\n", ErrorBroken},
		"nothing":         {"", ErrorBroken},
		"a second end":    {"{\"result\":1}\n{\"error\":\"x\"}", ""},
	} {
		end := readStream(strings.NewReader(c.body), func(Report) error { return nil })
		if c.code == "" && !end.Complete || c.code != "" && (end.Error == nil || end.Error.Code != c.code) {
			t.Errorf("%s: readStream returned %+v, want the code %q", name, end, c.code)
		}
	}
	deep := strings.Repeat("[", 300)
	for body, want := range map[string]string{
		`{"a": 1}`: `{"a":1}`, "done": `"done"`, "\xff": `"` + "\ufffd" + `"`, " ": "", deep: `"` + deep + `"`,
	} {
		if end := readResult(strings.NewReader(body)); !end.Complete || string(end.Result) != want {
			t.Errorf("readResult of %.20q returned %+v, want the result %.20s", body, end, want)
		}
	}
	end := readResult(strings.NewReader(strings.Repeat("x", MaxResult+1)))
	if end.Error == nil || end.Error.Code != ErrorTooLarge {
		t.Errorf("readResult of a too large result returned %+v, want %s", end, ErrorTooLarge)
	}
}

// A report with two bad fields names the same one each time.
func TestRefusalOfAReportNamesItsFirstBadField(t *testing.T) {
	bad := "a\a"
	for range 50 {
		r := Report{Step: &bad, Message: &bad}
		if e, ok := errors.AsType[*tenants.Error](r.check()); !ok || len(e.Fields) != 1 ||
			e.Fields[0].Pointer != "/step" {
			t.Fatalf("check returned %+v, want an error at /step", e)
		}
	}
}
