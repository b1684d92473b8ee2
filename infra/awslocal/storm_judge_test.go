package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/projection"
)

// judge checks everything that happened for violations.
func (s *storm) judge(owners map[string]endtoend.Tenant, subs []*subscriber, begin time.Time) {
	t := s.t
	r := evidence{logs: make(map[string][]logged), within: time.Minute}
	for name, owner := range owners {
		total := int64(0)
		for c := range stormChannels {
			channel := fmt.Sprintf("%s/c%d", name, c)
			for _, e := range s.History(t, owner, fmt.Sprintf("c%d", c)) {
				l := logged{id: e.ID, seq: e.Seq}
				if err := json.Unmarshal(e.Data, &l.posted); err != nil {
					t.Errorf("%s has an invalid payload: %s", channel, e.Data)
				}
				r.logs[channel] = append(r.logs[channel], l)
				total++
			}
		}
		usage, counted := projection.NewMonthlyUsage(s.rows()), int64(0)
		if !s.until(t.Context(), func() bool {
			counted, _ = usage.Month(t.Context(), tenants.TenantID(owner.ID), begin)
			return counted >= total
		}) || counted != total {
			t.Errorf("%s has %d events but is billed for %d", name, total, counted)
		}
	}
	for _, sub := range subs {
		sub.mu.Lock()
		for _, l := range sub.lines {
			r.lines = append(r.lines, line{l.subscriber, l.channel, l.receipts[:len(l.receipts):len(l.receipts)]})
		}
		sub.mu.Unlock()
	}
	s.found.Lock()
	r.acks, r.violations = s.acks, s.violations
	s.found.Unlock()
	s.mu.Lock()
	r.appended = maps.Clone(s.appended) // repeated messages may still be stored again
	s.mu.Unlock()
	found, slowest, sinceAck := r.check()
	for i, w := range found {
		if i == 30 {
			t.Errorf("and %d more", len(found)-i)
			break
		}
		t.Error(w)
	}
	table, never := s.table()
	receipts := 0
	for _, l := range r.lines {
		receipts += len(l.receipts)
	}
	t.Logf("%d events, %d receipts on %d lines; seed %d:\n%sthe slowest since its append: %v\nthe slowest since its "+
		"acknowledgement: %v\nthe longest wait for an acknowledgement: %v, %s: %q", len(r.acks), receipts, len(r.lines),
		*stormSeed, table, slowest, sinceAck,
		s.longest.took.Round(time.Millisecond), s.longest.delivery, s.longest.heard)
	if len(never) > 0 {
		t.Errorf("these faults never happened: %s", strings.Join(never, "; "))
	}
}
