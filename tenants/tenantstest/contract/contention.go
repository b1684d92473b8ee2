package contract

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// race calls f n times concurrently and returns which calls got no error. The others must have been refused.
func race(c *tableCase, n int, f func(i int) error) (wins []int) {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		start = make(chan struct{})
	)
	for i := range n {
		wg.Go(func() {
			<-start
			err := f(i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				wins = append(wins, i)
			} else if _, ok := errors.AsType[*tenants.RefusedError](err); !ok {
				c.Errorf("call %d: got %v, want a RefusedError", i, err)
			}
		})
	}
	close(start)
	wg.Wait()
	return wins
}

// contentionCases have several callers at the same rows.
var contentionCases = map[string]func(*tableCase){
	"of many that want a row absent one wins": func(c *tableCase) {
		for round := range 10 {
			k := c.key("evt", fmt.Sprint(round))
			wins := race(c, 8, func(i int) error {
				return c.table.Write(c.ctx, tenants.Put(k, fmt.Append(nil, i), time.Time{}, tenants.Absent()))
			})
			if len(wins) != 1 {
				c.Fatalf("got winners %v, want one", wins)
			}
			c.holds(k, fmt.Sprint(wins[0]))
		}
	},
	"of many that want a row at its version one wins": func(c *tableCase) {
		k := c.key("log/a", "1")
		c.write(tenants.Put(k, nil, time.Time{}, tenants.Absent()))
		for v := int64(1); v <= 10; v++ {
			wins := race(c, 8, func(i int) error {
				op := tenants.Put(k, fmt.Append(nil, i), time.Time{}, tenants.At(v))
				if i%2 == 0 {
					_, err := c.table.WriteEach(c.ctx, op)
					return err
				}
				return c.table.Write(c.ctx, op)
			})
			if len(wins) != 1 || c.get(k).Version != v+1 {
				c.Fatalf("got winners %v and version %d, want one and %d", wins, c.get(k).Version, v+1)
			}
			c.holds(k, fmt.Sprint(wins[0]))
		}
	},
	"what moves between rows by conditional writes is never lost": func(c *tableCase) {
		const accounts, each, rounds = 4, 100, 25
		k := func(i int) tenants.Key { return c.key("account", fmt.Sprint(i%accounts)) }
		for i := range accounts {
			c.put(k(i), strconv.Itoa(each))
		}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for moved := 0; moved < rounds; {
					from, to := c.get(k(w+moved)), c.get(k(w+moved+1))
					a, _ := strconv.Atoi(string(from.Body))
					b, _ := strconv.Atoi(string(to.Body))
					err := c.table.Write(c.ctx,
						tenants.Put(from.Key, []byte(strconv.Itoa(a-1)), time.Time{}, tenants.At(from.Version)),
						tenants.Put(to.Key, []byte(strconv.Itoa(b+1)), time.Time{}, tenants.At(to.Version)))
					if err == nil {
						moved++
					} else if _, ok := errors.AsType[*tenants.RefusedError](err); !ok {
						c.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		sum, puts := 0, int64(0)
		for i := range accounts {
			row := c.get(k(i))
			n, _ := strconv.Atoi(string(row.Body))
			sum += n
			puts += row.Version - 1
		}
		if sum != accounts*each || puts != 4*rounds*2 {
			c.Errorf("got the sum %d after %d puts, want %d after %d", sum, puts, accounts*each, 4*rounds*2)
		}
	},
	"writers that race for a sequence leave it dense": func(c *tableCase) {
		const total, step = 120, 7
		var (
			mu    sync.Mutex
			owned = map[string]string{} // the writer that was told it wrote a sort
			wg    sync.WaitGroup
		)
		for w := range 4 {
			me := fmt.Sprint("writer ", w)
			wg.Go(func() {
				for {
					tail := 0
					if last := c.query(tenants.Range{Kind: "log/a", Backward: true, Limit: 1}); len(last) == 1 {
						tail, _ = strconv.Atoi(last[0].Sort)
					}
					if tail >= total {
						return
					}
					var ops []tenants.Op
					for i := tail + 1; i <= tail+step; i++ {
						ops = append(ops, tenants.Put(c.key("log/a", fmt.Sprintf("%06d", i)), []byte(me), time.Time{},
							tenants.Absent()))
					}
					done, err := c.table.WriteEach(c.ctx, ops...)
					if err != nil {
						c.refused(err, done)
					}
					mu.Lock()
					for _, o := range ops[:done] {
						if by, ok := owned[o.Row.Sort]; ok {
							c.Errorf("%s was written by %s and by %s", o.Row.Sort, by, me)
						}
						owned[o.Row.Sort] = me
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		rows := c.query(tenants.Range{Kind: "log/a", Limit: 1000})
		if len(rows) < total || len(rows) != len(owned) {
			c.Errorf("got %d rows, of which %d were reported as written", len(rows), len(owned))
		}
		for i, r := range rows {
			if r.Sort != fmt.Sprintf("%06d", i+1) || owned[r.Sort] != string(r.Body) {
				c.Fatalf("row %d is %s by %s, but reported as written by %q", i, r.Sort, r.Body, owned[r.Sort])
			}
		}
	},
}
