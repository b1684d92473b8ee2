package streamer

import (
	"strconv"
	"strings"
)

// quality returns the weight, 0 to 1, that an Accept header gives to a media type that it names (RFC 9110 section
// 12.5.1); 0 if it does not name the type. A range such as */*, which curl sends, names no type.
func quality(accept [][]byte, media string) float64 {
	best := 0.0
	for _, line := range accept {
		for r := range strings.SplitSeq(string(line), ",") {
			name, params, _ := strings.Cut(r, ";")
			if strings.EqualFold(strings.TrimSpace(name), media) {
				best = max(best, weight(params))
			}
		}
	}
	return best
}

// weight returns the parameter q of a media type: 1 if it is absent, 0 if it is invalid.
func weight(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
