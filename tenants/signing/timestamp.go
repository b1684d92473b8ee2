package signing

import (
	"strconv"
	"time"
)

// Upper bounds of a timestamp's digits, which last until the year 5138. With one digit more, milliseconds could pass
// for seconds.
const (
	maxSecondDigits = 11
	maxMilliDigits  = 14
)

// set reports whether the scheme has a timestamp.
func (t Timestamp) set() bool { return t.Header != "" || t.Field != "" }

// parse parses a timestamp. It never returns the zero time, which stands for none.
func (t Timestamp) parse(text string) (time.Time, *Error) {
	if text == "" {
		return time.Time{}, fail(TimestampMissing, t.name()+" is empty")
	}
	if t.Unit == RFC3339 {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || len(text) > 35 || at.Unix() < 0 {
			return time.Time{}, fail(TimestampMalformed, t.name()+" is not an RFC 3339 date and time since 1970")
		}
		return at, nil
	}
	return t.parseUnix(text)
}

// parseUnix accepts only ASCII decimal digits without a leading zero, so each time has one text.
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

// check refuses a timestamp outside the tolerance, in either direction. The clock is truncated to the timestamp's
// unit first, so a request exactly as old as the tolerance passes whatever the fraction of a second.
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
	e := fail(TimestampOutOfRange, "the request was signed too long ago; the tolerance is "+tolerance.String())
	if skew < 0 {
		e.Detail = "the request was signed in the future of this clock; the tolerance is " + tolerance.String()
	}
	e.Skew = skew
	return e
}

// text formats a time in the scheme's unit.
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

// name returns the timestamp's place for an error.
func (t Timestamp) name() string {
	switch {
	case t.Field != "":
		return "the field " + t.Field
	case t.Prefix != "":
		return t.Header + "'s " + t.Prefix
	}
	return t.Header
}
