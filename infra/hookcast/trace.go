package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// hop is one step of a trace: the fields common to all steps and those of its own kind.
type hop map[string]json.RawMessage

// trace prints the trace of an event as a table.
func trace(ctx context.Context, sh *shell, args []string) error {
	rest, err := sh.parse(sh.flags("trace"), args)
	if err != nil {
		return err
	}
	if len(rest) != 1 || !tenants.ValidID(tenants.PrefixEvent, rest[0]) {
		return failed(exitUsage, "expected the id of one event: evt_…")
	}
	c, err := open(sh)
	if err != nil {
		return err
	}
	var way struct {
		Event struct {
			ID, Channel, Type string
			Seq               int64
		}
		Traced  bool
		Hops    []hop
		Missing []string `json:"not_recorded"`
		Total   int64    `json:"total_ms"`
	}
	if err := c.call(ctx, http.MethodGet, "/v1/events/"+rest[0]+"/trace", nil, &way); err != nil {
		return withRoleHint(err, "reading traces requires a key with the role admin or owner")
	}
	fmt.Fprintln(sh.stdout, printable(fmt.Sprintf("%s %s#%d %s", way.Event.ID, way.Event.Channel, way.Event.Seq,
		way.Event.Type)))
	w := tabwriter.NewWriter(sh.stdout, 0, 0, 2, ' ', 0)
	for _, h := range way.Hops {
		fmt.Fprintln(w, h.row())
		// recorded elsewhere
		way.Missing = slices.DeleteFunc(way.Missing, func(name string) bool { return name == h.name() })
	}
	fmt.Fprintf(w, "\t%d ms\tin all\n", way.Total)
	if err := w.Flush(); err != nil {
		return err
	}
	if len(way.Missing) > 0 {
		fmt.Fprintf(sh.stdout, "not recorded: %s\n", printable(strings.Join(way.Missing, ", ")))
	}
	if !way.Traced {
		fmt.Fprintln(sh.stdout,
			`the event was not traced; PUT /v1/trace with {"enabled":true} traces new events for an hour`)
	}
	return nil
}

func (h hop) name() (name string) {
	_ = json.Unmarshal(h["hop"], &name) // a missing name stays empty
	return name
}

// row returns the step as a line of the table: time, time since the previous step, name, and other fields sorted by
// name.
func (h hop) row() string {
	var at time.Time
	when, since := "", ""
	if json.Unmarshal(h["at"], &at) == nil && !at.IsZero() {
		when = at.Local().Format("15:04:05.000")
	}
	var ms *int64
	if json.Unmarshal(h["since_previous_ms"], &ms) == nil && ms != nil {
		since = fmt.Sprintf("+%d ms", *ms)
	}
	var rest []string
	for _, key := range slices.Sorted(maps.Keys(h)) {
		switch key {
		case "hop", "at", "since_previous_ms", "known_from":
			continue
		}
		value := string(h[key])
		var text string
		if json.Unmarshal(h[key], &text) == nil {
			value = text
		}
		rest = append(rest, key+"="+value)
	}
	return when + "\t" + since + "\t" + printable(h.name()) + "\t" + printable(strings.Join(rest, " "))
}
