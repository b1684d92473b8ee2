package tenantstest

import (
	"fmt"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// The rules for callers of the ports. Breaking one is a defect of the caller, so it panics: no engine is guaranteed
// to notice it.

const (
	MaxBody    = 390 << 10
	maxOps     = 100
	maxSort    = 1024 // bytes; the limit of a DynamoDB sort key
	MaxMessage = 700_000
	maxRows    = 1000
	maxDelay   = 15 * time.Minute
	maxName    = 128 // bytes of a message's Group and Dedupe
)

func breach(format string, args ...any) {
	panic("tenantstest: a caller broke a rule of tenants/ports.go: " + fmt.Sprintf(format, args...))
}

func checkPartition(t tenants.TenantID, k tenants.Kind) {
	if t == "" || strings.Trim(string(t), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		breach("the tenant of %q is %q", k, t)
	}
	if k == "" || strings.Trim(string(k), "abcdefghijklmnopqrstuvwxyz0123456789_-./") != "" ||
		k[0] == '/' || k[len(k)-1] == '/' || strings.Count(string(k), "/") > 1 {
		breach("the kind %q", k)
	}
}

func checkSort(s string) {
	if len(s) > maxSort {
		breach("a sort of %d bytes", len(s))
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			breach("the sort %q", s)
		}
	}
}

func checkKey(k tenants.Key) {
	checkPartition(k.Tenant, k.Kind)
	checkSort(k.Sort)
	if k.Sort == "" && k.Kind.Ordered() {
		breach("a row of the ordered kind %q has no sort", k.Kind)
	}
}

func checkOp(o tenants.Op) {
	checkKey(o.Row.Key)
	if len(o.Row.Body) > MaxBody {
		breach("a body of %d bytes at %v", len(o.Row.Body), o.Row.Key)
	}
	if v, ok := o.If.Version(); ok && v < 1 {
		breach("version %d of %v", v, o.Row.Key)
	}
	switch o.Action {
	case tenants.ActionPut:
	case tenants.ActionDelete, tenants.ActionCheck:
		if o.Row.Body != nil || !o.Row.Expires.IsZero() {
			breach("a delete or check of %v has a body or expiry", o.Row.Key)
		}
	default:
		breach("the action %d", o.Action)
	}
}

func checkWrite(ops []tenants.Op) {
	if len(ops) < 1 || len(ops) > maxOps {
		breach("a Write of %d ops", len(ops))
	}
	seen := make(map[tenants.Key]bool, len(ops))
	for _, o := range ops {
		checkOp(o)
		if seen[o.Row.Key] {
			breach("a Write has two ops on %v", o.Row.Key)
		}
		seen[o.Row.Key] = true
	}
}

func checkRange(r tenants.Range) {
	checkPartition(r.Tenant, r.Kind)
	checkSort(r.After)
	checkSort(r.Before)
	if !r.Kind.Ordered() {
		breach("a Query of the point kind %q", r.Kind)
	}
	if r.Limit < 1 || r.Limit > maxRows {
		breach("a Query limited to %d rows", r.Limit)
	}
}

func checkMessage(m tenants.Message) {
	switch {
	case len(m.Group) > maxName || len(m.Dedupe) > maxName:
		breach("a group of %d bytes, a deduplication id of %d", len(m.Group), len(m.Dedupe))
	case !printable(m.Group) || !printable(m.Dedupe):
		breach("the group %q, the deduplication id %q", m.Group, m.Dedupe)
	case m.Dedupe != "" && m.Group == "":
		breach("a deduplication id without a group")
	case m.Delay < 0 || m.Delay > maxDelay:
		breach("a delay of %v", m.Delay)
	case m.Delay != 0 && m.Group != "":
		breach("a delay of %v in a group", m.Delay)
	case len(m.Body) < 1 || len(m.Body) > MaxMessage:
		breach("a message of %d bytes", len(m.Body))
	}
}

func printable(name string) bool {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	return true
}
