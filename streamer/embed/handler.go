package embed

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Header is one response header.
type Header struct{ Name, Value string }

// Headers returns the headers of embed.js other than its entity tag and Content-Encoding:
//   - its type (RFC 9239) and nosniff;
//   - permission to load it from any origin, with SRI or as a module (CORS), and from a cross-origin isolated page
//     (Cross-Origin-Resource-Policy);
//   - five minutes of caching, then a revalidation, which the entity tag makes cheap: the address has no version,
//     so that a fix reaches every page within that time.
func Headers() []Header { return headers("text/javascript; charset=utf-8") }

// TypesHeaders returns the same for embed.d.ts.
func TypesHeaders() []Header { return headers("text/plain; charset=utf-8") }

func headers(contentType string) []Header {
	return []Header{
		{"Content-Type", contentType},
		{"X-Content-Type-Options", "nosniff"},
		{"Access-Control-Allow-Origin", "*"},
		{"Cross-Origin-Resource-Policy", "cross-origin"},
		{"Cache-Control", "public, max-age=300, must-revalidate"},
		{"Vary", "Accept-Encoding"},
	}
}

// Handler serves GET and HEAD of /embed.js, /embed-job.js and /embed.d.ts. It answers a matching If-None-Match with
// 304, and everything else with 404 or 405.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /embed.js", serveScript(Script, ScriptGzip))
	mux.HandleFunc("GET /embed-job.js", serveScript(JobScript, JobScriptGzip))
	mux.HandleFunc("GET /embed.d.ts", func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, TypesHeaders(), types, tag(types, ""))
	})
	return mux
}

func serveScript(plain, zipped func() ([]byte, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, etag := plain()
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			body, etag = zipped()
			w.Header().Set("Content-Encoding", "gzip")
		}
		serve(w, r, Headers(), body, etag)
	}
}

func serve(w http.ResponseWriter, r *http.Request, headers []Header, body []byte, etag string) {
	for _, h := range headers {
		w.Header().Set(h.Name, h.Value)
	}
	w.Header().Set("ETag", etag)
	// Nobody needs a range of it, and ServeContent does not set Content-Length when there is a Content-Encoding; so
	// ServeContent handles the conditional request only.
	r.Header.Del("Range")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// acceptsGzip reports whether an Accept-Encoding names gzip without refusing it by q=0 (RFC 9110, section 12.5.3).
func acceptsGzip(values []string) bool {
	for _, part := range strings.Split(strings.Join(values, ","), ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight, given := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q=")
		if !given {
			return true
		}
		q, err := strconv.ParseFloat(weight, 64)
		return err == nil && q > 0
	}
	return false
}
