package endtoend

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Frame is one event of a stream, as a browser would dispatch it.
type Frame struct{ ID, Event, Data string }

// Stream is an open event stream. It has a decoder of its own, so that no fault of the server's encoder is hidden by
// a shared one.
type Stream struct {
	Cursor string // the id of the last frame that had one
	ID     string // id of the connection
	lines  *bufio.Reader
	res    *http.Response
}

// Subscribe opens a stream of channels, with further query values. The cursor is sent as Last-Event-ID.
func (d Deployment) Subscribe(ctx context.Context, token, cursor string, query url.Values, channels ...string) (*Stream,
	*http.Response, error) {
	q := url.Values{"channel": channels}
	for k, v := range query {
		q[k] = v
	}
	return d.subscribe(ctx, "/v1/stream?"+q.Encode(), token, cursor)
}

// subscribe opens the stream at a path of the streaming host.
func (d Deployment) subscribe(ctx context.Context, path, token, cursor string) (*Stream, *http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", d.Stream+path, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+token)
	if cursor != "" {
		req.Header.Set("Last-Event-ID", cursor)
	}
	res, err := d.HTTP.Do(req)
	if err != nil {
		return nil, nil, err
	}
	return &Stream{Cursor: cursor, lines: bufio.NewReader(res.Body), res: res}, res, nil
}

// MustSubscribe is Subscribe, and ends the test on an error. It has read the first frame of the stream.
func (d Deployment) MustSubscribe(t testing.TB, token, cursor string, query url.Values, channels ...string) *Stream {
	t.Helper()
	s, res, err := d.Subscribe(t.Context(), token, cursor, query, channels...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if res.StatusCode != 200 {
		t.Fatalf("the stream is answered %s, want 200", res.Status)
	}
	f, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	if f.Event != "hookcast.open" {
		t.Fatalf("the first frame is %+v, want hookcast.open", f)
	}
	var open struct {
		ConnectionID string `json:"connection_id"`
	}
	if err := json.Unmarshal([]byte(f.Data), &open); err != nil || open.ConnectionID == "" {
		t.Fatalf("the first frame has the data %s, want a connection_id", f.Data)
	}
	s.ID = open.ConnectionID
	return s
}

// Close closes the connection.
func (s *Stream) Close() { s.res.Body.Close() }

// Next reads a frame (WHATWG HTML section 9.2.6); an incomplete one at the end of the stream is dropped.
func (s *Stream) Next() (Frame, error) {
	f := Frame{ID: s.Cursor}
	var data []string
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return Frame{}, err
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line == "" {
			if data == nil && f.Event == "" {
				s.Cursor = f.ID
				continue
			}
			s.Cursor = f.ID
			f.Data = strings.Join(data, "\n")
			return f, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			f.ID = value
		case "event":
			f.Event = value
		case "data":
			data = append(data, value)
		}
	}
}

// NextEvent is Next without the frames that open a stream and keep it alive.
func (s *Stream) NextEvent() (Frame, error) {
	for {
		f, err := s.Next()
		if err != nil || f.Event != "hookcast.open" && f.Event != "hookcast.heartbeat" {
			return f, err
		}
	}
}
