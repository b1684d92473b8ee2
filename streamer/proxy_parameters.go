package streamer

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/valyala/fasthttp"
)

// parameters reads the values for a proxy's placeholders: param.NAME in the query, or {"parameters":{…}} in a body.
func (a *App) parameters(ctx *fasthttp.RequestCtx, q url.Values) (map[string]string, error) {
	given := make(map[string]string)
	for name, values := range q {
		if key, ok := strings.CutPrefix(name, "param."); ok {
			if len(values) > 1 {
				return nil, errParameterTwice
			}
			given[key] = values[0]
		}
	}
	if n := ctx.Request.Header.ContentLength(); n == 0 || string(ctx.Method()) != http.MethodPost {
		if n != 0 && n != -2 {
			return nil, malformed("body_not_taken", "a GET must not have a body")
		}
		return given, nil
	}
	body, err := a.jsonBody(ctx, maxRunBody)
	if err != nil || len(body) == 0 {
		return given, err
	}
	more, err := api.ParseProxyParameters(body)
	for name, v := range more {
		if _, twice := given[name]; twice {
			return nil, errParameterTwice
		}
		given[name] = v
	}
	return given, err
}

var errParameterTwice = malformed("duplicate_parameter", "a proxy's parameter must be given once")

// jsonBody reads a request's whole body, which must be JSON; nil if it is empty.
func (a *App) jsonBody(ctx *fasthttp.RequestCtx, limit int64) ([]byte, error) {
	h := &ctx.Request.Header
	if int64(h.ContentLength()) > limit {
		return nil, errBodyTooLarge(limit)
	}
	read := &requestBody{stream: ctx.RequestBodyStream(), left: limit, limit: limit}
	b, err := io.ReadAll(read)
	if err != nil {
		return nil, err
	}
	ctx.SetUserValue(bodyReadKey{}, true)
	if len(b) == 0 {
		return nil, nil
	}
	if kind, _, err := mime.ParseMediaType(string(h.ContentType())); err != nil || kind != "application/json" {
		return nil, tenants.Errorf(tenants.UnsupportedMediaType, "content_type", "the body must be application/json")
	}
	return b, nil
}
