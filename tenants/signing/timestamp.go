package signing

import (
	"strconv"
	"time"
)

// A timestamp has at most this many digits: seconds until the year 5138, milliseconds likewise. One digit more and
// milliseconds would pass for seconds.
const (
	maxSecondDigits = 11
	maxMilliDigits  = 14
)

// set says whether the scheme has a timestamp.
func (t Timestamp) set() bool { return t.Header != "" || t.Field != "" }

// parse reads a timestamp. It never gives the zero time, which stands for none.
func (t Timestamp) parse(text string) (time.Time, *Error) {
	if text == "" {
		return time.Time{}, fail(TimestampMissing, t.name()+" is empty")
	}
	if t.Unit == RFC3339 {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || len(text) > 35 || at.Unix() < 0 {
			return time.Time{}, fail(TimestampMalformed, t.name()+" is not a date and time of RFC 3339 since 1970")
		}
		return at, nil
	}
	return t.parseUnix(text)
}

// parseUnix reads ASCII decimal digits and nothing else, no leading zero, so that one instant has one text.
func (t Timestamp) parseUnix(text string) (time.Time, *Error) {
	digits := maxSecondDigits
	if t.Unit == Milliseconds {
		digits = maxMilliDigits
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return time.Time{}, fail(TimestampMalformed, t.name()+" is not a plain decimal number")
		}
	}
	if text[0] == '0' && len(text) > 1 {
		return time.Time{}, fail(TimestampMalformed, t.name()+" begins with a zero")
	}
	if len(text) > digits {
		return time.Time{}, fail(TimestampMalformed, t.name()+" has too many digits for Unix time in "+t.unit())
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fail(TimestampMalformed, t.name()+" is not a number")
	}
	if t.Unit == Milliseconds {
		return time.UnixMilli(n), nil
	}
	return time.Unix(n, 0), nil
}

// check holds a timestamp to the tolerance, both ways. The clock is cut to the timestamp's unit first, so that a request
// exactly as old as the tolerance passes whatever the fraction of a second.
func (t Timestamp) check(signed, now time.Time, tolerance time.Duration) *Error {
	if tolerance <= 0 {
		tolerance = t.Tolerance
	}
	if t.Unit == Milliseconds {
		now = time.UnixMilli(now.UnixMilli())
	} else {
		now = time.Unix(now.Unix(), 0)
	}
	skew := now.Sub(signed) // saturates
	if skew <= tolerance && skew >= -tolerance {
		return nil
	}
	e := fail(TimestampOutOfRange, "signed too long ago; allowed are "+tolerance.String())
	if skew < 0 {
		e.Detail = "signed ahead of this clock; allowed are " + tolerance.String()
	}
	e.Skew = skew
	return e
}

// text writes an instant as the scheme's timestamp.
func (t Timestamp) text(now time.Time) string {
	switch t.Unit {
	case Milliseconds:
		return strconv.FormatInt(now.UnixMilli(), 10)
	case RFC3339:
		return now.UTC().Format(time.RFC3339)
	}
	return strconv.FormatInt(now.Unix(), 10)
}

func (t Timestamp) unit() string {
	if t.Unit == Milliseconds {
		return "milliseconds"
	}
	return "seconds"
}

// name is what an error calls it.
func (t Timestamp) name() string {
	switch {
	case t.Field != "":
		return "the field " + t.Field
	case t.Prefix != "":
		return t.Header + "'s " + t.Prefix
	}
	return t.Header
}
