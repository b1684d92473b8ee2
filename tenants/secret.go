package tenants

import "time"

// SealedSecret is a signing secret as it is stored.
type SealedSecret struct {
	ID       string
	Sealed   []byte // by the Vault
	Created  time.Time
	NotAfter time.Time // zero: as long as its owner exists
}

// MaxOverlap is the longest time for which a replaced secret or URL can go on working.
const MaxOverlap = 7 * 24 * time.Hour

// CheckOverlap refuses an overlap outside 0 to MaxOverlap: Unprocessable invalid_overlap, at /overlap_seconds.
func CheckOverlap(d time.Duration) error {
	if d < 0 || d > MaxOverlap {
		return Refused("/overlap_seconds", "invalid_overlap", "the overlap must be 0 to 604800 seconds")
	}
	return nil
}

// Ended reports whether something that lasts until at (zero: for ever) is over.
func Ended(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// Earlier returns the earlier of two ends, where zero is never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
