package streamer

import (
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/tenants"
)

const profiles = "/debug/pprof/"

// profile serves Go's profiles to a client with the operator's key, from any address: profiles are safe, but they
// cost time and show names of the program's internals. For all others the path does not exist.
func (a *App) profile(c *fiber.Ctx) error {
	err := a.operator(&c.Context().Request.Header)
	if tenants.KindOf(err) == tenants.Unavailable {
		return err
	}
	if err != nil {
		return fiber.ErrNotFound
	}
	return a.profiles(c)
}

// serveProfile serves the handlers of net/http/pprof, except for the one that shows the program's arguments.
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
		pprof.Index(w, r) // the list, or a profile of runtime/pprof by its name
	}
}
