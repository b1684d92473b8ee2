//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/streamer/peers"
)

// startOnebox starts the whole product in one process on SQLite, with a tenant without limits.
func (b *bench) startOnebox(s *server, dir string) error {
	addr, data := peers.FreeAddr(), filepath.Join(dir, "data")
	if err := s.processes.start(dir, b.onebox, nil, "-addr", addr, "-data", data, "-demo=false",
		"-drain", "0s"); err != nil {
		return err
	}
	if err := listening(addr); err != nil {
		return err
	}
	if err := ready("http://" + addr + "/readyz"); err != nil {
		return err
	}
	s.operatorFile = filepath.Join(data, "operator.key")
	operator, err := operatorOf(s)
	if err != nil {
		return err
	}
	s.addr, s.publishAddr = addr, addr
	t, err := newTenant("http://"+addr, operator, noLimits)
	if err != nil {
		return err
	}
	s.use(t)
	s.metrics = func() (map[string]float64, error) { return counters("http://" + addr + "/metrics") }
	return nil
}

// tenant is a tenant of a server.
type tenant struct{ key, token string }

// use makes clients and publishers use the tenant.
func (s *server) use(t tenant) {
	s.key = t.key
	s.subscribePath = func(ch int) string { return "/v1/stream?channel=" + channelName(ch) + "&token=" + t.token }
	s.publishPath = func(ch int) string { return "/v1/channels/" + channelName(ch) + "/events" }
	s.publishHeader = "Authorization: Bearer " + t.key + "\r\nContent-Type: application/json\r\n"
	s.body = func(dst []byte, m mark, size int) []byte {
		return append(m.appendData(append(dst, `{"type":"bench","data":`...), size), '}')
	}
}

const noLimits = `{"connections":100000,"connections_per_channel":0,"connections_per_subject":0,` +
	`"connections_per_ip":0,"connects_per_second":0,"events_per_second":0,"events_per_month":0,"channels":0}`

// newTenant signs up a tenant and sets its limits as the operator.
func newTenant(api, operator, limits string) (t tenant, err error) {
	var signed struct {
		Tenant struct{ ID string }
		APIKey struct{ Secret string } `json:"api_key"`
	}
	if err := call("POST", api+"/v1/signup", "", `{"name":"bench","email":"bench@example.com"}`, &signed); err != nil {
		return t, err
	}
	if err := call("PATCH", api+"/v1/tenants/"+signed.Tenant.ID, operator, `{"limits":`+limits+`}`, nil); err != nil {
		return t, err
	}
	var minted struct{ Token string }
	err = call("POST", api+"/v1/tokens", signed.APIKey.Secret,
		`{"subject":"bench","channels":["*"],"ttl_seconds":3600}`, &minted)
	return tenant{signed.APIKey.Secret, minted.Token}, err
}

func call(method, url, key, body string, into any) error {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s %s %w", method, r.URL.Path, a.Status, bytes.TrimSpace(text), err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

func ready(url string) error {
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		a, err := http.Get(url)
		if err == nil {
			a.Body.Close()
			if a.StatusCode == http.StatusOK {
				return nil
			}
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%s: not ready: %w", url, err)
		}
	}
}

// counters reads metrics and sums those with labels under their name.
func counters(url string) (map[string]float64, error) {
	a, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return nil, err
	}
	sums := make(map[string]float64)
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		sums[name] += n
		if bare, _, labelled := strings.Cut(name, "{"); labelled {
			sums[bare] += n
		}
	}
	return sums, nil
}

// operatorOf reads the operator's key of a onebox started by startOnebox.
func operatorOf(s *server) (string, error) {
	b, err := os.ReadFile(s.operatorFile)
	return strings.TrimSpace(string(b)), err
}
