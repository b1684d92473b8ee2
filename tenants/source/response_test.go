package source_test

import (
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestSourcesOwnAnswer(t *testing.T) {
	r := rig.NewIntakeRig(t)
	good := &source.Response{Status: 200, Body: `{"ok": true}`, Type: "json"}
	src, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "all", Response: good})
	got, err := r.Receiver.Receive(t.Context(), rig.Github(t, token, "1", "push", "{}"))
	if err != nil || got.Response == nil || *got.Response != *good {
		t.Errorf("got %+v, %v, want %+v", got, err, good)
	}
	r.AppendAll(t)
	got, err = r.Receiver.Receive(t.Context(), rig.Github(t, token, "1", "push", "{}"))
	if err != nil || !got.Duplicate || got.Response == nil {
		t.Errorf("a repeat: got %+v, %v, want a duplicate with the response", got, err)
	}
	var none *source.Response
	if _, err := r.Sources.Update(t.Context(), r.Tenant, src.ID, source.Patch{Response: &none}); err != nil {
		t.Fatal(err)
	}
	got, err = r.Receiver.Receive(t.Context(), rig.Github(t, token, "2", "push", "{}"))
	if err != nil || got.Response != nil {
		t.Errorf("after its removal: got %+v, %v, want no response", got, err)
	}
}

func TestSourcesOwnAnswerThatIsNone(t *testing.T) {
	r := rig.NewIntakeRig(t)
	src, _ := r.Source(t, rig.GithubSpec)
	for name, bad := range map[string]source.Response{
		"a redirect":          {Status: 302},
		"a failure":           {Status: 500},
		"no status":           {Body: "x", Type: "text"},
		"a 204 with a body":   {Status: 204, Body: "x", Type: "text"},
		"a body without type": {Status: 200, Body: "x"},
		"HTML":                {Status: 200, Body: "x", Type: "html"},
		"1,001 characters":    {Status: 200, Body: strings.Repeat("é", 1001), Type: "text"},
		"a control character": {Status: 200, Body: "a\x00", Type: "text"},
		"not UTF-8":           {Status: 200, Body: "\xff", Type: "text"},
		"malformed JSON":      {Status: 200, Body: "{", Type: "json"},
		"malformed XML":       {Status: 200, Body: "<a>", Type: "xml"},
		"text as XML":         {Status: 200, Body: "a", Type: "xml"},
		"two roots":           {Status: 200, Body: "<a/><b/>", Type: "xml"},
		"an entity":           {Status: 200, Body: "<a>&b;</a>", Type: "xml"},
		"a document type":     {Status: 200, Body: "<!DOCTYPE a><a/>", Type: "xml"},
	} {
		response := &bad
		_, err := r.Sources.Update(t.Context(), r.Tenant, src.ID, source.Patch{Response: &response})
		if tenants.CodeOf(err) != "invalid_response" {
			t.Errorf("%s: got %v, want invalid_response", name, err)
		}
	}
	for _, good := range []source.Response{
		{Status: 204}, {Status: 200}, {Status: 201, Type: "text"},
		{Status: 200, Body: strings.Repeat("é", 1000), Type: "text"}, {Status: 202, Body: "a\r\n\tb", Type: "text"},
		{Status: 200, Body: "[1]\n", Type: "json"},
		{Status: 200, Body: `<?xml version="1.0"?><Response>&lt;</Response>`, Type: "xml"},
	} {
		response := &good
		if _, err := r.Sources.Update(t.Context(), r.Tenant, src.ID, source.Patch{Response: &response}); err != nil {
			t.Errorf("%+v: got %v, want no error", good, err)
		}
	}
}
