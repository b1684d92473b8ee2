package tenants

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

var update = flag.Bool("update", false, "write the golden file anew")

// What is stored must be read by every later version: a field's name is for ever. A new field is one more line in the golden
// file; a changed line is a defect.
func TestRecordEncodings(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	records := []struct {
		Name   string
		Record any
	}{
		{"tenant", Tenant{ID: "ten_1", Name: "Acme", Email: "a@b.example", Plan: "free", Overrides: map[string]int64{"sources": 3, "connections": 5}, Origins: []string{"https://a.example"}, Suspended: true, Closing: true, Created: at}},
		{"tenant", Tenant{ID: "ten_1", Tracing: Tracing{Since: at, Until: at.Add(time.Hour), Sample: 0.5}}},
		{"list/keys", APIKey{ID: "key_1", Tenant: "ten_1", Name: "ci", Role: "admin", KID: "kid", Hash: "ab12", Created: at, Expires: at}},
		{"key", keyLookup{Tenant: "ten_1", ID: "key_1", Role: "admin", Expires: at}},
		{"list/sources", Source{
			ID: "src_1", Tenant: "ten_1", Name: "GitHub", Provider: "github", Channel: "github.{type}", Fallback: "github", Custom: &signing.Custom{Header: "X-Sig", Prefix: "sha256="},
			AllowLegacy: true, Tolerance: time.Minute, Response: &SourceResponse{Status: 200, Body: "{}", Type: "json"}, Created: at,
			Secrets: []SealedSecret{{ID: "sec_1", Sealed: []byte{1, 2}, Created: at, NotAfter: at}}, Tokens: []SourceToken{{Hash: "cd34", Sealed: []byte{3}, Expires: at}},
		}},
		{"source", sourceLookup{Tenant: "ten_1", ID: "src_1", Expires: at}},
		{"list/endpoints", Endpoint{
			ID: "end_1", Tenant: "ten_1", Name: "hooks", URL: "https://a.example/", Channels: []string{"orders.*"}, Types: []string{"order.paid"}, Filter: "data.a == 1",
			Headers: []byte{7}, HeaderNames: []string{"X-A"}, Secrets: []EndpointSecret{{SealedSecret{ID: "sec_1", Sealed: []byte{1, 2}, Created: at, NotAfter: at}, "v1"}},
			Ordered: true, PerSecond: 5, Concurrency: 2, Schedule: []time.Duration{time.Second}, State: EndpointPending, Reason: "why", Changed: at, Created: at, Proven: "https://b.example/",
		}},
		{"list/signing", signerRecord{Sealed: []byte{4, 5}, Expires: at}},
		{"deployment", deploymentRecord{Sealed: []byte{6}}},
	}
	var got []byte
	for _, r := range records {
		got = append(append(append(got, r.Name...), '\t'), encodeRecord(r.Record)...)
		got = append(got, '\n')
		back := reflect.New(reflect.TypeOf(r.Record))
		if err := json.Unmarshal(encodeRecord(r.Record), back.Interface()); err != nil || !reflect.DeepEqual(back.Elem().Interface(), r.Record) {
			t.Errorf("%s comes back as %+v, %v", r.Name, back.Elem(), err)
		}
	}
	const golden = "testdata/records.golden"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("records are stored as\n%s\nand were stored as\n%s", got, want)
	}
}
