package streamer

import (
	"strconv"
	"strings"
)

// quality is the weight that Accept gives to a media type by its name (RFC 9110 section 12.5.1), 0 to 1; 0 where it does not name it. A
// range (*/*) is what curl says, and names nothing.
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

// weight is that of q among a media type's parameters; 1 where there is none, 0 where it is none.
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
