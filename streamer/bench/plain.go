//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
)

// crowdOf is a hub as one writes it by hand: a buffered channel for each subscriber; a slow subscriber loses events.
type crowdOf struct {
	mu   sync.RWMutex
	subs map[string]map[chan []byte]bool
	last int
}

const behindAtMost = 64

func newCrowdOf() *crowdOf { return &crowdOf{subs: make(map[string]map[chan []byte]bool)} }

func (c *crowdOf) join(name string) chan []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subs[name] == nil {
		c.subs[name] = make(map[chan []byte]bool)
	}
	sub := make(chan []byte, behindAtMost)
	c.subs[name][sub] = true
	return sub
}

func (c *crowdOf) leave(name string, sub chan []byte) {
	c.mu.Lock()
	delete(c.subs[name], sub)
	c.mu.Unlock()
}

func (c *crowdOf) publish(name string, data []byte) {
	c.mu.Lock()
	c.last++
	frame := fmt.Appendf(nil, "id: %d\ndata: %s\n\n", c.last, data)
	for sub := range c.subs[name] {
		select {
		case sub <- frame:
		default:
		}
	}
	c.mu.Unlock()
}

// serveNetHTTP is a server of server-sent events as one writes it by hand with net/http: a goroutine for each client.
func serveNetHTTP(addr string) error {
	c := newCrowdOf()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sub/{channel}", func(w http.ResponseWriter, r *http.Request) {
		sub := c.join(r.PathValue("channel"))
		defer c.leave(r.PathValue("channel"), sub)
		w.Header().Set("Content-Type", "text/event-stream")
		out := http.NewResponseController(w)
		for out.Flush() == nil {
			select {
			case <-r.Context().Done():
				return
			case frame := <-sub:
				w.Write(frame)
			}
		}
	})
	mux.HandleFunc("POST /pub/{channel}", func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.publish(r.PathValue("channel"), data)
		w.WriteHeader(http.StatusNoContent)
	})
	return http.ListenAndServe(addr, mux)
}

// serveFiber is the same with Fiber's streaming.
func serveFiber(addr string) error {
	c := newCrowdOf()
	app := fiber.New(fiber.Config{DisableStartupMessage: true, Concurrency: 1 << 20})
	app.Get("/sub/:channel", func(ctx *fiber.Ctx) error {
		name := strings.Clone(ctx.Params("channel"))
		sub := c.join(name)
		ctx.Set("Content-Type", "text/event-stream")
		ctx.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			defer c.leave(name, sub)
			w.WriteString(":\n\n") // the head is sent with the first flush only
			for w.Flush() == nil {
				w.Write(<-sub)
			}
		})
		return nil
	})
	app.Post("/pub/:channel", func(ctx *fiber.Ctx) error {
		c.publish(ctx.Params("channel"), append([]byte(nil), ctx.Body()...))
		return ctx.SendStatus(fiber.StatusNoContent)
	})
	return app.Listen(addr)
}

// serveOrigin answers pushpin's request about each subscriber with the channel to subscribe the connection to
// (https://pushpin.org/docs/usage/).
func serveOrigin(addr string) error {
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Grip-Hold", "stream")
		w.Header().Set("Grip-Channel", strings.TrimPrefix(r.URL.Path, "/sub/"))
		io.WriteString(w, ":\n\n")
	}))
}
