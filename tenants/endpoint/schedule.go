package endpoint

import "time"

const (
	jitter          = 0.2              // each wait is up to so much shorter or longer
	retryAtMost     = 24 * time.Hour   // what Retry-After can ask for
	holdsUpTo       = 24 * time.Hour   // how much later than its schedule a delivery may end because it was held back
	RecheckEvery    = 15 * time.Minute // how often is looked whether a disabled endpoint, or a suspended tenant, is back
	busyHold        = time.Minute      // how long an endpoint with 429 and no Retry-After is left alone
	busyHoldMost    = time.Hour        // and how long at most with one: then one attempt finds out
	SecondTryWithin = time.Second      // a connection that failed within this is tried once more at once
)

func (ep Endpoint) schedule() []time.Duration {
	if ep.Schedule == nil {
		return DefaultSchedule()
	}
	return ep.Schedule
}

// NextWait returns how long to wait behind a failed attempt, given how many failed since the delivery was taken up (1 or more), what the answer asked
// for, and a random number from 0 to 1. False: that was the last one.
func (ep Endpoint) NextWait(failed int, asked time.Duration, random float64) (time.Duration, bool) {
	s := ep.schedule()
	if failed > len(s) {
		return 0, false
	}
	base := time.Duration(float64(s[failed-1]) * (1 - jitter + 2*jitter*random))
	return max(base, min(asked, retryAtMost)), true
}

// Deadline is when a delivery that began then is given up although attempts of its schedule are left: it was held back for too long. The log
// keeps events longer than that.
func (ep Endpoint) Deadline(began time.Time) time.Time {
	var span time.Duration
	for _, d := range ep.schedule() {
		span += d
	}
	return began.Add(time.Duration(float64(span)*(1+jitter)) + holdsUpTo)
}

func (ep Endpoint) Lanes() int {
	if ep.Concurrency <= 0 {
		return DefaultConcurrency
	}
	return ep.Concurrency
}
