package proxy

import (
	"context"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/outgoing"
)

const maxBody = 64 << 10 // bytes of a request

// Spec is what a caller chooses about a proxy, or about a request that is not stored.
type Spec struct {
	Name          string
	Method        string // "": GET, or POST if there is a body
	URL           string
	Headers       map[string]string
	Body          *string
	BodyMediaType string // "": application/json
	Parameters    map[string]Parameter
	Share         bool
	Channel       string
	Redirects     bool
	Reconnect     *bool // nil: only if the method is GET
	Limits        Limits
}

// Patch names the fields to change. Nil fields stay as they are.
type Patch struct {
	Name          *string
	Method        *string
	URL           *string
	Headers       *map[string]string // replaces all headers
	Body          **string           // a pointer to nil removes the body
	BodyMediaType *string
	Parameters    *map[string]Parameter
	Share         *bool
	Channel       *string
	Redirects     *bool
	Reconnect     *bool
	Limits        *Limits
}

// request is a proxy's request, parsed.
type request struct {
	secretRequest
	url     template
	headers map[string]template
	body    template
	channel template
}

// parse parses the request and the channel. It refuses placeholders that cannot work.
func (p Proxy) parse(r secretRequest) (q request, err error) {
	q.secretRequest = r
	var why string
	if q.url, why = urlTemplate(r.URL, p.Parameters); why != "" {
		return q, tenants.Refused("/url", "invalid_url", why)
	}
	all := []template{q.url}
	q.headers = make(map[string]template, len(r.Headers))
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		t, why := parseTemplate(r.Headers[name], p.Parameters, inHeader)
		if why != "" {
			return q, tenants.Refused("/headers/"+name, "invalid_header", why)
		}
		q.headers[name], all = t, append(all, t)
	}
	if r.Body != nil {
		if q.body, why = bodyTemplate(string(r.Body), p.BodyMediaType, p.Parameters); why != "" {
			return q, tenants.Refused("/body", "invalid_body", why)
		}
		all = append(all, q.body)
	}
	if q.channel, why = parseTemplate(p.Channel, p.Parameters, inName); why != "" {
		return q, tenants.Refused("/channel", "invalid_channel", why)
	}
	used := make(map[string]bool)
	for _, p := range slices.Concat(append(all, q.channel)...) {
		used[p.text] = used[p.text] || p.placeholder
	}
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		if !used[name] {
			return q, tenants.Refused("/parameters/"+name, "invalid_parameter",
				"the parameter must be used: write {{"+name+"}} where its value belongs")
		}
	}
	return q, nil
}

// check refuses a proxy that cannot work, and normalizes p and r.
func (s *Proxies) check(ctx context.Context, p *Proxy, r *secretRequest) error {
	if err := tenants.CheckName("/name", p.Name); err != nil {
		return err
	}
	if err := checkParameters(p.Parameters); err != nil {
		return err
	}
	if p.Method != "GET" && p.Method != "POST" {
		return tenants.Refused("/method", "invalid_method", "the method must be GET or POST")
	}
	if r.Body == nil {
		p.BodyMediaType = ""
	}
	if err := checkBody(p, r); err != nil {
		return err
	}
	headers, err := outgoing.CheckHeaders(r.Headers)
	if err != nil {
		return err
	}
	for _, name := range []string{"Accept", "Cache-Control", "Last-Event-Id"} {
		if _, set := headers[name]; set {
			return tenants.Refused("/headers/"+name, "invalid_header",
				"the header must be left to the stream, which sets it")
		}
	}
	r.Headers = headers
	q, err := p.parse(*r)
	if err != nil {
		return err
	}
	sample, why := q.url.fill(samples(p.Parameters))
	if why != "" {
		return tenants.Refused("/url", "invalid_url", why)
	}
	if s.destinations == nil {
		return tenants.Errorf(tenants.Internal, "no_destinations", "this process cannot check URLs")
	}
	if _, err := s.destinations.CheckURL(ctx, sample); err != nil {
		return err
	}
	if p.Channel == "" {
		return nil
	}
	name, _ := q.channel.fill(samples(p.Parameters))
	return tenants.Publishable(name)
}

func checkBody(p *Proxy, r *secretRequest) error {
	switch {
	case r.Body == nil:
		return nil
	case p.Method == "GET":
		return tenants.Refused("/body", "invalid_body", "a GET request must have no body")
	case len(r.Body) > maxBody:
		return tenants.Refused("/body", "invalid_body", "the body must have at most 65536 bytes")
	case !utf8.Valid(r.Body):
		return tenants.Refused("/body", "invalid_body", "the body must be UTF-8")
	}
	if p.BodyMediaType == "" {
		p.BodyMediaType = "application/json"
	}
	kind, parameters, err := mime.ParseMediaType(p.BodyMediaType)
	valid := err == nil && strings.Contains(kind, "/") && len(p.BodyMediaType) <= 100
	if p.BodyMediaType = mime.FormatMediaType(kind, parameters); !valid || p.BodyMediaType == "" {
		return tenants.Refused("/body_media_type", "invalid_media_type", "the media type must be like application/json")
	}
	return nil
}

// shownURL returns the URL without the values of its query, which may be keys.
func shownURL(raw string) string {
	base, query, asked := strings.Cut(raw, "?")
	if !asked {
		return base
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(value, "{{") {
			value = "…"
		}
		if decoded, err := url.QueryUnescape(name); err != nil || len(decoded) > 64 {
			name = "…"
		}
		pairs[i] = name + "=" + value
	}
	return base + "?" + strings.Join(pairs, "&")
}
