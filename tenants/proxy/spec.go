package proxy

import (
	"context"
	"maps"
	"mime"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/outgoing"
)

// Spec is what a caller chooses of a proxy, or of a run that no proxy is kept for.
type Spec struct {
	Name          string
	Method        string // "": GET, or POST where there is a body
	URL           string
	Headers       map[string]string
	Body          *string
	BodyMediaType string // "": application/json
	Parameters    map[string]Parameter
	Share         bool
	Channel       string
	Redirects     bool
	Reconnect     *bool // nil: of GET
	Limits        Limits
}

// Patch changes what it names and leaves the rest.
type Patch struct {
	Name          *string
	Method        *string
	URL           *string
	Headers       *map[string]string // all of them anew
	Body          **string           // to nil: none
	BodyMediaType *string
	Parameters    *map[string]Parameter
	Share         *bool
	Channel       *string
	Redirects     *bool
	Reconnect     *bool
	Limits        *Limits
}

// request is a proxy's request, taken apart.
type request struct {
	secretRequest
	url     template
	headers map[string]template
	body    template
	channel template
}

// parse takes the request and the channel apart and says what cannot work.
func (p Proxy) parse(r secretRequest) (q request, err error) {
	q.secretRequest = r
	var why string
	if q.url, why = urlTemplate(r.URL, p.Parameters); why != "" {
		return q, tenants.Refused("/url", "invalid_url", why)
	}
	all := []template{q.url}
	q.headers = make(map[string]template, len(r.Headers))
	for name, value := range r.Headers {
		t, why := parseTemplate(value, p.Parameters)
		if why != "" {
			return q, tenants.Refused("/headers/"+name, "invalid_header", why)
		}
		q.headers[name] = t.placed(inHeader)
		all = append(all, t)
	}
	if r.Body != nil {
		if q.body, why = bodyTemplate(string(r.Body), p.BodyMediaType, p.Parameters); why != "" {
			return q, tenants.Refused("/body", "invalid_body", why)
		}
		all = append(all, q.body)
	}
	if q.channel, why = parseTemplate(p.Channel, p.Parameters); why != "" {
		return q, tenants.Refused("/channel", "invalid_channel", why)
	}
	q.channel.placed(inName)
	used := placeholders(append(all, q.channel)...)
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		if !used[name] {
			return q, tenants.Refused("/parameters/"+name, "invalid_parameter", "the parameter stands nowhere: write {{"+name+"}} where it is to stand")
		}
	}
	return q, nil
}

// check refuses a proxy that could not work, and puts both into their normal form.
func (s *Proxies) check(ctx context.Context, p *Proxy, r *secretRequest) error {
	if err := tenants.CheckName("/name", p.Name); err != nil {
		return err
	}
	if err := checkParameters(p.Parameters); err != nil {
		return err
	}
	if p.Method != "GET" && p.Method != "POST" {
		return tenants.Refused("/method", "invalid_method", "the method is GET or POST")
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
	for name := range headers {
		if name == "Accept" || name == "Cache-Control" || name == "Last-Event-Id" {
			return tenants.Refused("/headers/"+name, "invalid_header", "this header is the stream's own")
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
		return tenants.Errorf(tenants.Internal, "no_destinations", "this process sets no URLs")
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
		return tenants.Refused("/body", "invalid_body", "a GET has no body")
	case len(r.Body) > maxBody:
		return tenants.Refused("/body", "invalid_body", "the body has at most 65536 bytes")
	case !utf8.Valid(r.Body):
		return tenants.Refused("/body", "invalid_body", "the body is no UTF-8")
	}
	if p.BodyMediaType == "" {
		p.BodyMediaType = "application/json"
	}
	kind, parameters, err := mime.ParseMediaType(p.BodyMediaType)
	if err != nil || !strings.Contains(kind, "/") || len(p.BodyMediaType) > 100 {
		return tenants.Refused("/body_media_type", "invalid_media_type", "this is no media type")
	}
	if p.BodyMediaType = mime.FormatMediaType(kind, parameters); p.BodyMediaType == "" {
		return tenants.Refused("/body_media_type", "invalid_media_type", "this is no media type")
	}
	return nil
}

// shownURL is the URL without the values of its query, among which keys are.
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

func headerNames(headers map[string]string) []string {
	var names []string
	for name := range headers {
		names = append(names, textproto.CanonicalMIMEHeaderKey(name))
	}
	slices.Sort(names)
	return names
}
