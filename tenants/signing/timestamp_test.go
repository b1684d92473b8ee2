package signing_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

// stamped returns a Slack request whose signature covers the timestamp exactly as written, so only the timestamp's
// own rules can refuse it.
func stamped(t testing.TB, text string) signing.Request {
	t.Helper()
	s := scheme(t, "slack")
	forged := s
	forged.Timestamp, forged.Signed = signing.Timestamp{}, "v0:"+text+":{body}"
	r := signed(t, forged, "{}")
	r.Header[s.Timestamp.Header] = []string{text}
	return r
}

func TestTimestampThatIsNoPlainDecimalIsRefusedThoughSigned(t *testing.T) {
	s := scheme(t, "slack")
	if got := verify(t, s, stamped(t, "1700000000"), signing.Options{}); got != "" {
		t.Fatalf("the plain timestamp is refused: %s", got)
	}
	for text, want := range map[string]string{
		"":                         signing.TimestampMissing,
		" ":                        signing.TimestampMalformed,
		"NaN":                      signing.TimestampMalformed,
		"nan":                      signing.TimestampMalformed,
		"Infinity":                 signing.TimestampMalformed,
		"inf":                      signing.TimestampMalformed,
		"-1":                       signing.TimestampMalformed,
		"-1700000000":              signing.TimestampMalformed,
		"+1700000000":              signing.TimestampMalformed,
		" 1700000000":              signing.TimestampMalformed,
		"1700000000 ":              signing.TimestampMalformed,
		"1700000000\n":             signing.TimestampMalformed,
		"1,700,000,000":            signing.TimestampMalformed,
		"1_700_000_000":            signing.TimestampMalformed,
		"1700000000.0":             signing.TimestampMalformed,
		"1.7e9":                    signing.TimestampMalformed,
		"1e18":                     signing.TimestampMalformed,
		"0x6553f100":               signing.TimestampMalformed,
		"01700000000":              signing.TimestampMalformed,
		"１７００００００００":               signing.TimestampMalformed, // full-width digits
		"١٧٠٠٠٠٠٠٠٠":               signing.TimestampMalformed, // Arabic-Indic digits
		"1700000000000":            signing.TimestampMalformed, // milliseconds
		"1000000000000000000":      signing.TimestampMalformed, // 1e18 written out
		"9223372036854775808":      signing.TimestampMalformed, // over int64
		strings.Repeat("1", 10000): signing.TimestampMalformed,
		"0":                        signing.TimestampOutOfRange,
		"99999999999":              signing.TimestampOutOfRange,
		"2023-11-14T22:13:20Z":     signing.TimestampMalformed,
		"1700000000,1700000000":    signing.TimestampMalformed,
	} {
		if got := verify(t, s, stamped(t, text), signing.Options{}); got != want {
			t.Errorf("%.30q: got %q, want %q", text, got, want)
		}
	}
}

func TestTimestampIsHeldToTheToleranceOnBothSides(t *testing.T) {
	for _, name := range []string{"stripe", "slack", "standard-webhooks", "svix"} {
		s := scheme(t, name)
		r := signed(t, s, "{}")
		keys := []signing.Secret{secret(t, s, 0)}
		for _, c := range []struct {
			skew, tolerance time.Duration
			refused         bool
		}{
			{0, 0, false},
			{300 * time.Second, 0, false},
			{300*time.Second + 999*time.Millisecond, 0, false}, // whole seconds are compared
			{301 * time.Second, 0, true},
			{-300 * time.Second, 0, false},
			{-301 * time.Second, 0, true},
			{300 * time.Second, -time.Hour, false}, // a negative tolerance counts as unset
			{301 * time.Second, -time.Hour, true},
			{60 * time.Second, time.Minute, false},
			{61 * time.Second, time.Minute, true},
			{301 * time.Second, time.Hour, false},
			{-24 * 365 * 100 * time.Hour, 0, true},
		} {
			_, err := s.Verify(r, keys, clock.Add(c.skew), signing.Options{Tolerance: c.tolerance})
			if !c.refused {
				if err != nil {
					t.Errorf("%s: skew %v, tolerance %v: %v", name, c.skew, c.tolerance, err)
				}
				continue
			}
			var e *signing.Error
			if !errors.As(err, &e) || e.Code != signing.TimestampOutOfRange || e.Skew != c.skew {
				t.Errorf("%s: skew %v, tolerance %v: %v, reported skew %v", name, c.skew, c.tolerance, err, e.Skew)
			}
		}
	}
}

// An age is reported only for an otherwise authentic request: a wrong secret means mismatch at any age.
func TestStaleRequestUnderAWrongSecretIsAMismatch(t *testing.T) {
	s := scheme(t, "stripe")
	_, err := s.Verify(signed(t, s, "{}"), []signing.Secret{secret(t, s, 1)}, clock.Add(time.Hour), signing.Options{})
	if got := code(t, err); got != signing.SignatureMismatch {
		t.Errorf("got %q, want %q", got, signing.SignatureMismatch)
	}
}

func TestMillisecondTimestampsAreHeldToTheMillisecond(t *testing.T) {
	s, err := scheme(t, "hmac").Customize(signing.Custom{TimestampHeader: "x-time", TimestampUnit: "ms"})
	if err != nil {
		t.Fatal(err)
	}
	r := signed(t, s, "{}")
	if got := r.Header["X-Time"][0]; got != "1700000000000" {
		t.Fatalf("signed at %s", got)
	}
	keys := []signing.Secret{secret(t, s, 0)}
	v, err := s.Verify(r, keys, clock.Add(5*time.Minute), signing.Options{})
	if err != nil || !v.Timestamp.Equal(clock) {
		t.Errorf("at the tolerance: got %v, %v; want %v", v.Timestamp, err, clock)
	}
	_, err = s.Verify(r, keys, clock.Add(5*time.Minute+time.Millisecond), signing.Options{})
	if got := code(t, err); got != signing.TimestampOutOfRange {
		t.Errorf("a millisecond over: got %q, want %q", got, signing.TimestampOutOfRange)
	}
}

func TestTimestampOfRFC3339(t *testing.T) {
	s, err := scheme(t, "hmac").Customize(signing.Custom{TimestampHeader: "X-Time", TimestampUnit: "rfc3339"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2023-11-14T22:13:20Z":        "",
		"2023-11-14T23:13:20+01:00":   "",
		"2023-11-14T22:13:20.123456Z": "",
		"2023-11-14T22:08:19Z":        signing.TimestampOutOfRange,
		"2023-11-14T22:18:21Z":        signing.TimestampOutOfRange,
		"1970-01-01T00:00:00Z":        signing.TimestampOutOfRange,
		"0001-01-01T00:00:00Z":        signing.TimestampMalformed, // Go's zero time must not count as no timestamp
		"1969-12-31T23:59:59Z":        signing.TimestampMalformed,
		"2023-11-14 22:13:20Z":        signing.TimestampMalformed,
		"2023-11-14T22:13:20":         signing.TimestampMalformed,
		"2023-11-14":                  signing.TimestampMalformed,
		"1700000000":                  signing.TimestampMalformed,
		"2023-11-14T22:13:20Z ":       signing.TimestampMalformed,
		"2023-13-14T22:13:20Z":        signing.TimestampMalformed,
		"2023-11-14T22:13:20.0" + strings.Repeat("0", 20) + "Z": signing.TimestampMalformed,
		"": signing.TimestampMissing,
	} {
		forged := s
		forged.Timestamp, forged.Signed = signing.Timestamp{}, text+".{body}"
		r := signed(t, forged, "{}")
		r.Header["X-Time"] = []string{text}
		if got := verify(t, s, r, signing.Options{}); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestTimestampInTheBodyIsReadWhereItIsSigned(t *testing.T) {
	s := scheme(t, "linear")
	sign := func(body string) signing.Request {
		forged := s
		forged.Timestamp = signing.Timestamp{}
		return signed(t, forged, body)
	}
	for body, want := range map[string]string{
		`{"webhookTimestamp":1700000000000}`:                      "",
		`{"webhookTimestamp":"1700000000000"}`:                    "",
		`{"webhookTimestamp":1700000060000}`:                      "",
		`{"webhookTimestamp":1700000060001}`:                      signing.TimestampOutOfRange,
		`{"webhookTimestamp":1699999939999}`:                      signing.TimestampOutOfRange,
		`{"webhookTimestamp":1700000000}`:                         signing.TimestampOutOfRange, // seconds
		`{"webhookTimestamp":1.7e12}`:                             signing.TimestampMalformed,
		`{"webhookTimestamp":-1}`:                                 signing.TimestampMalformed,
		`{"webhookTimestamp":null}`:                               signing.TimestampMissing,
		`{}`:                                                      signing.TimestampMissing,
		`[]`:                                                      signing.TimestampMissing,
		`webhookTimestamp=1700000000000`:                          signing.TimestampMissing,
		`{"webhookTimestamp":1,"webhookTimestamp":1700000000000}`: signing.TimestampMissing,
		`{"data":{"webhookTimestamp":1700000000000}}`:             signing.TimestampMissing,
		`{"webhookTimestamp":1700000000000`:                       signing.TimestampMissing,
	} {
		if got := verify(t, s, sign(body), signing.Options{}); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
