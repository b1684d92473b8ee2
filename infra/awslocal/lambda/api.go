package lambda

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxAnswer is a little above Lambda's limit.
const maxAnswer = 6<<20 + 100<<10

// api returns the handler of the Runtime API for one process.
func (e *environment) api() http.Handler {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", e.serveNext)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
		if err != nil {
			e.settle(w, r, outcome{err: &Error{"Function.ResponseSizeTooLarge",
				"the answer is larger than Lambda's limit of 6 MB"}})
			return
		}
		e.settle(w, r, outcome{answer: answer})
	})
	mux.HandleFunc("POST "+base+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		e.settle(w, r, outcome{err: errorOf(r)})
	})
	mux.HandleFunc("POST "+base+"init/error", func(w http.ResponseWriter, r *http.Request) {
		err := errorOf(r)
		e.fail.Do(func() {
			e.reason = err.Error()
			close(e.broken)
		})
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

// serveNext returns the next invocation. The process waits for it without a limit.
func (e *environment) serveNext(w http.ResponseWriter, r *http.Request) {
	e.asked.Do(func() { e.f.initialised(time.Since(e.began)) })
	select {
	case <-r.Context().Done():
	case inv := <-e.next:
		inv.deadline = time.Now().Add(e.f.o.Timeout)
		e.mu.Lock()
		e.current = inv
		e.mu.Unlock()
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", e.f.o.ARN)
		_, _ = w.Write(inv.payload)
	}
}

// settle ends the invocation that the request names, if it is the current one of the process.
func (e *environment) settle(w http.ResponseWriter, r *http.Request, o outcome) {
	e.mu.Lock()
	inv := e.current
	if inv != nil && inv.id == r.PathValue("id") {
		e.current = nil
	} else {
		inv = nil
	}
	e.mu.Unlock()
	if inv == nil {
		http.Error(w, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
		return
	}
	inv.done <- o
	w.WriteHeader(http.StatusAccepted)
}

// errorOf reads the error that a process reports.
func errorOf(r *http.Request) error {
	var said struct{ ErrorType, ErrorMessage string }
	_ = json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&said)
	if said.ErrorType == "" {
		said.ErrorType = r.Header.Get("Lambda-Runtime-Function-Error-Type")
	}
	return &Error{said.ErrorType, said.ErrorMessage}
}

// newID returns a request id in Lambda's format, a UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
