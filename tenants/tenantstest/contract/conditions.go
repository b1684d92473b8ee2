package contract

import (
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// conditionCases try each condition on each state of a row, for each action, alone and between two others, by Write
// and by WriteEach.
var conditionCases = map[string]func(*tableCase){
	"conditions hold or refuse": func(c *tableCase) {
		for _, s := range states {
			for _, cond := range s.conditions {
				for _, action := range []tenants.Action{tenants.ActionPut, tenants.ActionDelete, tenants.ActionCheck} {
					for _, each := range []bool{false, true} {
						for _, kind := range []tenants.Kind{"evt", "log/a"} {
							testCondition(c, s, cond, action, each, kind)
						}
					}
				}
			}
		}
	},
}

type state struct {
	name       string
	conditions []expectation
	exists     bool
	make       func(c *tableCase, k tenants.Key)
}

type expectation struct {
	name  string
	cond  tenants.Condition
	holds bool
}

// states are the states of a row. If it exists, its version is 3 and its body "old".
var states = []state{
	{"never put", gone, false, func(*tableCase, tenants.Key) {}},
	{"deleted", gone, false, func(c *tableCase, k tenants.Key) {
		makeVersion3(c, k)
		c.write(tenants.Delete(k, tenants.At(3)))
	}},
	{"expired", gone, false, func(c *tableCase, k tenants.Key) {
		makeVersion3(c, k)
		c.write(tenants.Put(k, []byte("old"), time.Now().Add(-time.Hour), tenants.At(3)))
	}},
	{"there", []expectation{
		{"anything", tenants.Anything(), true},
		{"absent", tenants.Absent(), false},
		{"at its version", tenants.At(3), true},
		{"at an older version", tenants.At(2), false},
		{"at a newer version", tenants.At(4), false},
	}, true, makeVersion3},
}

var gone = []expectation{
	{"anything", tenants.Anything(), true},
	{"absent", tenants.Absent(), true},
	{"at the first version", tenants.At(1), false},
	{"at the version it had", tenants.At(3), false},
	{"at the version it has in storage", tenants.At(4), false},
}

func makeVersion3(c *tableCase, k tenants.Key) {
	c.write(tenants.Put(k, []byte("1"), time.Time{}, tenants.Absent()))
	c.write(tenants.Put(k, []byte("2"), time.Now().Add(time.Hour), tenants.At(1)))
	c.write(tenants.Put(k, []byte("old"), time.Time{}, tenants.At(2)))
	if v := c.get(k).Version; v != 3 {
		c.Fatalf("%v has version %d after three puts, want 3", k, v)
	}
}

func testCondition(c *tableCase, s state, e expectation, action tenants.Action, each bool, kind tenants.Kind) {
	name := fmt.Sprintf("%s, %s, action %d, each %v, kind %s", s.name, e.name, action, each, kind)
	c.Helper()
	base := fmt.Sprintf("%s/%s/%d/%v/", s.name, e.name, action, each)
	k, first, last := c.key(kind, base+"k"), c.key(kind, base+"first"), c.key(kind, base+"last")
	s.make(c, k)

	ops := []tenants.Op{
		tenants.Put(first, []byte("f"), time.Time{}, tenants.Absent()),
		map[tenants.Action]tenants.Op{
			tenants.ActionPut:    tenants.Put(k, []byte("new"), time.Time{}, e.cond),
			tenants.ActionDelete: tenants.Delete(k, e.cond),
			tenants.ActionCheck:  tenants.Check(k, e.cond),
		}[action],
		tenants.Put(last, []byte("l"), time.Time{}, tenants.Absent()),
	}
	var err error
	if each {
		var done int
		done, err = c.table.WriteEach(c.ctx, ops...)
		if e.holds && done != 3 || !e.holds && done != 1 {
			c.Errorf("%s: %d ops done", name, done)
		}
	} else {
		err = c.table.Write(c.ctx, ops...)
	}
	if !e.holds {
		c.refused(err, 1)
		if each {
			c.holds(first, "f")
		} else {
			c.missing(first)
		}
		c.missing(last)
		c.unchanged(s, k)
		return
	}
	if err != nil {
		c.Errorf("%s: %v", name, err)
		return
	}
	c.holds(first, "f")
	c.holds(last, "l")
	switch action {
	case tenants.ActionDelete:
		c.missing(k)
	case tenants.ActionCheck:
		c.unchanged(s, k)
	default:
		c.holds(k, "new")
		v := c.get(k).Version
		at, isAt := e.cond.Version()
		if e.cond.IsAbsent() && v != 1 || isAt && v != at+1 || s.exists && v <= 3 || v < 1 {
			c.Errorf("%s: the put made version %d, want the next one", name, v)
		}
	}
}

// unchanged expects the row to be as the state made it.
func (c *tableCase) unchanged(s state, k tenants.Key) {
	c.Helper()
	if !s.exists {
		c.missing(k)
		return
	}
	c.holds(k, "old")
	if v := c.get(k).Version; v != 3 {
		c.Errorf("%v has version %d, want 3 as before", k, v)
	}
}
