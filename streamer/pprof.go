package streamer

import (
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/tenants"
)

const profiles = "/debug/pprof/"

// profile serves Go's profiles to whoever has the operator's key, from wherever: a profile stops nothing, but it costs, and its names are
// those of the program's inside. To everyone else there is no such path.
func (a *App) profile(c *fiber.Ctx) error {
	secret, err := bearer(&c.Context().Request.Header)
	if err == nil {
		var p tenants.Principal
		if p, err = a.o.Keys.Authenticate(a.lifetime, secret); err == nil && !p.Operator {
			err = fiber.ErrNotFound
		}
	}
	if tenants.KindOf(err) == tenants.Unavailable {
		return err
	}
	if err != nil {
		return fiber.ErrNotFound
	}
	return a.profiles(c)
}

// serveProfile is net/http/pprof's own handlers, but for the one that shows the program's arguments.
func serveProfile(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch strings.TrimPrefix(r.URL.Path, profiles) {
	case "profile":
		pprof.Profile(w, r)
	case "trace":
		pprof.Trace(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "cmdline":
		http.NotFound(w, r)
	default:
		pprof.Index(w, r) // the list, or one of runtime/pprof's by its name
	}
}
