// Package embed holds Hookcast's browser snippet, embed.js, and its TypeScript types, embed.d.ts, as they are served:
// written by hand, without dependencies, under 6 KB gzipped, with the names and lines of the file and without its
// comments and indentation. A page includes it with
//
//	<script src="https://hooks.example.com/embed.js" crossorigin="anonymous"></script>
//
// and calls Hookcast.connect, or sets data attributes on that tag and needs no JavaScript; embed.d.ts documents both.
// The package knows the files and the headers that make them usable on pages of other sites, and no web framework.
//
// embed-job.js, which shows a job, is a separate file: most pages do not need it, and embed.js stays small.
package embed

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed" // for the files
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"sync"
)

// Version is the snippet's semantic version, Hookcast.version in the browser.
const Version = "0.1.0"

//go:embed embed.js
var source []byte

//go:embed embed-job.js
var jobSource []byte

// script is the served form of embed.js, and jobScript that of embed-job.js.
var script, jobScript = lean(source), lean(jobSource)

//go:embed embed.d.ts
var types []byte

// Script returns embed.js and its strong entity tag with quotes (RFC 9110, section 8.8.3). The caller must not change
// the bytes.
func Script() (body []byte, etag string) { return script, tag(script, "") }

// ScriptGzip returns embed.js gzipped, for a client that accepts it, with an entity tag of its own: strong tags
// differ between encodings. Serve it with Content-Encoding: gzip. The caller must not change the bytes.
func ScriptGzip() (body []byte, etag string) { return zipped(), tag(script, "-gzip") }

// Types returns embed.d.ts. The caller must not change the bytes.
func Types() []byte { return types }

// Integrity returns the value for a script tag's integrity attribute: "sha384-" and the base64 of the digest of
// embed.js (W3C Subresource Integrity). The tag also needs crossorigin="anonymous". A page that pins a hash stops
// loading the snippet when the deployment's version changes.
func Integrity() string {
	sum := sha512.Sum384(script)
	return "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
}

// comment matches a comment at the end of a line. embed.js has no regular expression or string with a space followed
// by two slashes, and no comment after code has a quote in it.
var comment = regexp.MustCompile("(^|\\s)// [^'\"`]*$")

// lean removes indentation, empty lines and comments at the end of a line, except for the notice at the top.
func lean(js []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(js) {
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("//")) {
			continue
		}
		if line = bytes.TrimSpace(comment.ReplaceAll(line, nil)); len(line) > 0 {
			out.Write(line)
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// JobScript returns embed-job.js as Script returns embed.js.
func JobScript() (body []byte, etag string) { return jobScript, tag(jobScript, "") }

// JobScriptGzip returns embed-job.js as ScriptGzip returns embed.js.
func JobScriptGzip() (body []byte, etag string) { return jobZipped(), tag(jobScript, "-gzip") }

// zipped and jobZipped compress once, on first use: the scripts never change while the process lives.
var (
	zipped    = sync.OnceValue(func() []byte { return zip(script) })
	jobZipped = sync.OnceValue(func() []byte { return zip(jobScript) })
)

func zip(js []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(js)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic("embed: gzip into memory: " + err.Error()) // a write to a bytes.Buffer never fails
	}
	return b.Bytes()
}

func tag(body []byte, suffix string) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + suffix + `"`
}
