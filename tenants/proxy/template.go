package proxy

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/hookcast/hookcast/tenants/outgoing"
)

// template is text with placeholders.
type template []piece

// piece is literal text, or a placeholder.
type piece struct {
	text        string // of a placeholder, the parameter's name
	placeholder bool
	place       place
}

// place is where a placeholder stands, which decides how its value is written.
type place int

const (
	inPath   place = iota // in a segment of a URL's path
	inQuery               // the value of a parameter in a query or a form
	inHeader              // unchanged; printable ASCII only
	inString              // in a string of JSON
	inJSON                // in JSON outside of a string; integers only
	inName                // in the name of a channel, unchanged
)

// parseTemplate splits text at its placeholders, which all get the place at. If there are no parameters, "{{" has no
// meaning. why says what is wrong with the text; "" means nothing.
func parseTemplate(text string, ps map[string]Parameter, at place) (t template, why string) {
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
			return nil, "{{ must be followed by the name of a declared parameter and }}"
		}
		t = append(t, piece{text: name, placeholder: true, place: at})
		text = after
	}
}

// urlTemplate parses a URL, in which placeholders can stand in segments of the path and in values of the query.
func urlTemplate(text string, ps map[string]Parameter) (template, string) {
	t, why := parseTemplate(text, ps, inPath)
	seen := "" // the literals so far
	for i := range t {
		if !t[i].placeholder {
			seen += t[i].text
			continue
		}
		_, after, _ := strings.Cut(seen, "://")
		host, path, inside := strings.Cut(after, "/")
		_, query, asked := strings.Cut(path, "?")
		switch {
		case !inside || strings.ContainsAny(host, "?#"):
			return nil, "a parameter must stand in a segment of the path or in a value of the query"
		case !asked:
			t[i].place = inPath
		case !strings.Contains(query[strings.LastIndexByte(query, '&')+1:], "="):
			return nil, "a parameter in the query must be a value, not a name"
		default:
			t[i].place = inQuery
		}
	}
	return t, why
}

// bodyTemplate parses a body. In JSON, placeholders can stand in strings, and those of integers in place of a value.
// In a form, they can be values.
func bodyTemplate(text, mediaType string, ps map[string]Parameter) (template, string) {
	t, why := parseTemplate(text, ps, inString)
	if why != "" {
		return nil, why
	}
	quoted, seen := false, ""
	for i := range t {
		if !t[i].placeholder {
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
			return nil, "a parameter that is not an integer must stand in a string"
		case mediaType == mediaTypeForm && strings.Contains(seen[strings.LastIndexByte(seen, '&')+1:], "="):
			t[i].place = inQuery
		default:
			return nil, "a parameter must stand in a body of JSON, or in a value of a form"
		}
	}
	if isJSONType(mediaType) {
		if b, why := t.fill(samples(ps)); why != "" || !json.Valid([]byte(b)) {
			return nil, "the body must be JSON"
		}
	}
	return t, ""
}

const mediaTypeForm = "application/x-www-form-urlencoded"

func isJSONType(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// quotedAt reports whether the end of a piece of JSON is in a string; quoted says whether its beginning is.
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

func samples(ps map[string]Parameter) map[string]string {
	values := make(map[string]string, len(ps))
	for name, p := range ps {
		values[name] = p.sample()
	}
	return values
}

// fill returns the text with values for the placeholders, each escaped for its place. why says why a value cannot stand
// in its place, without repeating it; "" means that all can.
func (t template) fill(values map[string]string) (text, why string) {
	var b strings.Builder
	path := false
	for _, p := range t {
		if !p.placeholder {
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
		return "", "a value must not make a segment of the path . or .., which means another path"
	}
	return b.String(), ""
}

// inQuotes returns v as it stands between the quotes of a JSON string.
func inQuotes(v string) string {
	b, _ := json.Marshal(v)
	return string(b[1 : len(b)-1])
}

// hasDots reports whether a segment of the URL's path is "." or "..", percent-encoded or not.
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
