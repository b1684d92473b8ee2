package streamer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/hookcast/hookcast/streamer/embed"
)

func isProbe(target []byte) bool {
	for _, p := range []string{"/healthz", "/readyz", "/metrics"} {
		if bytes.Equal(target, []byte(p)) {
			return true
		}
	}
	return false
}

// healthz says that the process lives, and nothing about its usefulness.
func (a *App) healthz(c *fiber.Ctx) error { return plain(c, "ok\n") }

// readyz says whether this node should get more clients: 200, or 503 with the reason as the problem's code.
func (a *App) readyz(c *fiber.Ctx) error {
	if err := a.ready(); err != nil {
		return err
	}
	return plain(c, "ready\n")
}

func (a *App) ready() error {
	if err := a.accepting(); err != nil {
		return err
	}
	if a.o.Ready != nil {
		return a.o.Ready()
	}
	return nil
}

func plain(c *fiber.Ctx, text string) error {
	c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.SendString(text)
}

// assets serves the browser snippet and the API's description. Any page may read both.
func (a *App) assets() {
	snippet := a.mount(embed.Handler(), 0)
	a.probe("/embed.js", snippet)
	a.probe("/embed-job.js", snippet)
	a.probe("/embed.d.ts", snippet)
	a.probe("/openapi.yaml", a.mount(http.HandlerFunc(a.openapi), 0))
}

func (a *App) openapi(w http.ResponseWriter, r *http.Request) {
	sum := sha256.Sum256(a.o.OpenAPI)
	h := w.Header()
	h.Set("Content-Type", "application/yaml") // RFC 9512
	h.Set("Cache-Control", "public, max-age=300, must-revalidate")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.o.OpenAPI))
}

// expect answers a request with Expect: 100-continue (RFC 9110 section 10.1.1): a request that its headers condemn is
// refused before its body is sent.
func (a *App) expect(ctx *fasthttp.RequestCtx) int {
	err := checkFraming(&ctx.Request.Header)
	if err == nil && int64(ctx.Request.Header.ContentLength()) > a.o.BodyLimit {
		err = errBodyTooLarge(a.o.BodyLimit)
	}
	if err == nil {
		return http.StatusContinue
	}
	a.refuseUnread(ctx, err)
	return ctx.Response.StatusCode()
}
