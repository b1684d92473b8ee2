package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
)

// Each request and each batch has a log line with its tenant. No log line contains a credential, or anything of an
// event's payload.
func TestLinesNameTheTenantAndNoSecret(t *testing.T) {
	p := start(t)
	tenant := p.Signup(t, "logged")
	source := p.GitHubSource(t, tenant, "orders")
	token := p.Token(t, tenant, "page", "orders")
	forged := source
	forged.Secret = "another secret of the test's"
	const payload = "what-is-in-an-event"
	for delivery, s := range map[string]endtoend.Source{"believed": source, "refused": forged} {
		a, err := p.GitHub(t.Context(), s, "delivery-"+delivery, []byte(`{"n":"`+payload+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		a.Want(t, 202, 401)
	}
	stream := p.MustSubscribe(t, token, "0", nil, "orders")
	late := time.AfterFunc(time.Minute, stream.Close)
	if _, err := stream.NextEvent(); err != nil {
		t.Fatal(err)
	}
	late.Stop()
	stream.Close()

	// Wanted lines by name: functions write them after their answers, so the test waits for them.
	want := map[string]func(line map[string]any) bool{
		"ingest: the webhook": func(l map[string]any) bool {
			return l["status"] == 202.0 && l["tenant"] == tenant.ID
		},
		"ingest: the forged one": func(l map[string]any) bool {
			return l["status"] == 401.0 && l["tenant"] == tenant.ID
		},
		"admin: the source": func(l map[string]any) bool {
			return l["status"] == 201.0 && l["tenant"] == tenant.ID
		},
		"append: the batch": func(l map[string]any) bool {
			return l["msg"] == "batch" && names(l["tenants"], tenant.ID)
		},
		"changes: the batch": func(l map[string]any) bool {
			return l["msg"] == "batch" && names(l["tenants"], tenant.ID)
		},
		"streamer-1: the stream": func(l map[string]any) bool {
			return l["path"] == "/v1/stream" && l["tenant"] == tenant.ID
		},
	}
	p.wantLines(t, want)

	secrets := map[string]string{
		"the key": tenant.Key, "the browser's token": token, "the source's secret": source.Secret,
		"the forger's secret":  forged.Secret,
		"the source's address": source.URL[strings.LastIndexByte(source.URL, '/')+1:], "the payload": payload,
		"the operator's key": p.operatorKey(t),
	}
	p.wantNoSecret(t, secrets)
}

// wantLines waits for a line of each log that its function accepts, and wants it to have a request id.
func (r *running) wantLines(t *testing.T, want map[string]func(line map[string]any) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); len(want) > 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for what, found := range want {
			name, _, _ := strings.Cut(what, ":")
			for text := range strings.Lines(r.log(t, name)) {
				var line map[string]any
				if json.Unmarshal([]byte(text), &line) == nil && found(line) {
					if id, _ := line["request_id"].(string); id == "" {
						t.Errorf("the line of %s has no request id: %s", what, text)
					}
					delete(want, what)
					break
				}
			}
		}
	}
	for what := range want {
		t.Errorf("the log has no line of %s", what)
	}
}

// wantNoSecret wants no log to contain one of the secrets, which are by name.
func (r *running) wantNoSecret(t *testing.T, secrets map[string]string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(r.data, "logs", "*.log"))
	if err != nil || len(logs) < 8 {
		t.Fatalf("there are %d logs (%v), want at least 8", len(logs), err)
	}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for what, secret := range secrets {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s contains %s", filepath.Base(path), what)
			}
		}
	}
}

func names(list any, tenant string) bool {
	all, _ := list.([]any)
	return slices.Contains(all, any(tenant))
}
