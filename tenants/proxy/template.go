package proxy

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/hookcast/hookcast/tenants/outgoing"
)

// template is text with holes.
type template []piece

// piece is literal text, or a hole.
type piece struct {
	text  string // of a hole, the parameter's name
	hole  bool
	place place
}

// place is where a hole stands, which says how what fills it is written.
type place int

const (
	inPath   place = iota // of a URL
	inQuery               // the value of a query's or a form's member
	inHeader              // as it is: printable ASCII
	inString              // of JSON
	inJSON                // of JSON, outside of a string: integers alone
	inName                // of a channel: as it is
)

// parseTemplate cuts text at its holes. Without parameters there are none: "{{" is text as any other. Errors name what is wrong.
func parseTemplate(text string, ps map[string]Parameter) (t template, why string) {
	if len(ps) == 0 {
		return template{{text: text}}, ""
	}
	for {
		before, rest, found := strings.Cut(text, "{{")
		t = append(t, piece{text: before})
		if !found {
			return t, ""
		}
		name, after, closed := strings.Cut(rest, "}}")
		if _, known := ps[name]; !closed || !known {
			return nil, "{{ begins the name of a parameter, and }} ends it; this is none that is declared"
		}
		t = append(t, piece{text: name, hole: true})
		text = after
	}
}

// urlTemplate is a template whose holes stand in segments of the path or in values of the query.
func urlTemplate(text string, ps map[string]Parameter) (template, string) {
	t, why := parseTemplate(text, ps)
	seen := "" // the literals so far
	for i := range t {
		if !t[i].hole {
			seen += t[i].text
			continue
		}
		_, behind, _ := strings.Cut(seen, "://")
		host, path, inside := strings.Cut(behind, "/")
		_, query, asked := strings.Cut(path, "?")
		switch {
		case !inside || strings.ContainsAny(host, "?#"):
			return nil, "a parameter can stand in a segment of the path or in a value of the query, and nowhere before"
		case !asked:
			t[i].place = inPath
		case !strings.Contains(query[strings.LastIndexByte(query, '&')+1:], "="):
			return nil, "a parameter can be a value of the query, not a name"
		default:
			t[i].place = inQuery
		}
	}
	return t, why
}

// bodyTemplate is a template of a body of the media type. A JSON body's holes stand in strings or, of integers, in a value's place; a form's
// are values.
func bodyTemplate(text, mediaType string, ps map[string]Parameter) (template, string) {
	t, why := parseTemplate(text, ps)
	if why != "" {
		return nil, why
	}
	quoted, seen := false, ""
	for i := range t {
		if !t[i].hole {
			quoted = quotedAt(t[i].text, quoted)
			seen += t[i].text
			continue
		}
		switch {
		case isJSONType(mediaType) && quoted:
			t[i].place = inString
		case isJSONType(mediaType) && ps[t[i].text].Kind == ParameterInteger:
			t[i].place = inJSON
		case isJSONType(mediaType):
			return nil, "a parameter that is no integer must stand inside a string"
		case mediaType == formType && strings.Contains(seen[strings.LastIndexByte(seen, '&')+1:], "="):
			t[i].place = inQuery
		default:
			return nil, "parameters can stand in a body of JSON, or in the values of a form"
		}
	}
	if isJSONType(mediaType) {
		if b, why := t.fill(samples(ps)); why != "" || !json.Valid([]byte(b)) {
			return nil, "the body is no JSON"
		}
	}
	return t, ""
}

const formType = "application/x-www-form-urlencoded"

func isJSONType(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// quotedAt tells whether the end of a piece of JSON is inside a string, where its beginning is or is not.
func quotedAt(text string, quoted bool) bool {
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		}
	}
	return quoted
}

// placed gives all holes the place given.
func (t template) placed(p place) template {
	for i := range t {
		t[i].place = p
	}
	return t
}

func samples(ps map[string]Parameter) map[string]string {
	values := make(map[string]string, len(ps))
	for name, p := range ps {
		values[name] = p.sample()
	}
	return values
}

// fill puts values into the holes, each written for where it stands. Why: a value cannot stand there, in words that do not repeat it.
func (t template) fill(values map[string]string) (text, why string) {
	var b strings.Builder
	path := false
	for _, p := range t {
		if !p.hole {
			b.WriteString(p.text)
			continue
		}
		v := values[p.text]
		switch p.place {
		case inPath:
			path = true
			v = url.PathEscape(v)
		case inQuery:
			v = url.QueryEscape(v)
		case inHeader:
			if why := outgoing.HeaderProblem("X", v); why != "" {
				return "", why
			}
		case inString:
			v = inQuotes(v)
		}
		b.WriteString(v)
	}
	if path && hasDots(b.String()) {
		return "", "the value makes a segment of the path that means another path"
	}
	return b.String(), ""
}

// inQuotes writes v as JSON has it between quotes.
func inQuotes(v string) string {
	b, _ := json.Marshal(v)
	return string(b[1 : len(b)-1])
}

// hasDots tells whether a segment of the URL's path is "." or "..", however it is written.
func hasDots(raw string) bool {
	_, rest, _ := strings.Cut(raw, "://")
	rest, _, _ = strings.Cut(rest, "?")
	for segment := range strings.SplitSeq(rest, "/") {
		if dots := strings.ReplaceAll(strings.ToLower(segment), "%2e", "."); dots == "." || dots == ".." {
			return true
		}
	}
	return false
}

// holes names the parameters that stand in the templates.
func holes(ts ...template) map[string]bool {
	names := make(map[string]bool)
	for _, t := range ts {
		for _, p := range t {
			if p.hole {
				names[p.text] = true
			}
		}
	}
	return names
}
