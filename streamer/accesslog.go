package streamer

import "strings"

// The access log names what was asked for and never how the caller proved itself: no query (?token=), no source token (/in/…), and
// nothing in a path that looks like a credential put there by mistake.

const loggedPathMax = 256

// loggedPath is the path of a request target as the log may show it.
func loggedPath(target []byte) string {
	path := string(target[:min(len(target), loggedPathMax)])
	if i := strings.IndexFunc(path, func(r rune) bool { return !isPathByte(r) }); i >= 0 {
		path = path[:i]
		if target[i] != '?' {
			path += "…"
		}
	}
	if i := strings.Index(path, "/in/"); i >= 0 {
		return path[:i] + "/in/…"
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if looksSecret(p) {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, "/")
}

// isPathByte leaves out '%' as well: behind it anything may be written.
func isPathByte(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/-._~", r)
}

func looksSecret(s string) bool {
	return strings.Contains(s, "hk_") || strings.Contains(s, "eyJ") || strings.HasPrefix(s, "whsec_")
}

func loggedMethod(m []byte) string {
	switch s := string(m); s {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return s
	}
	return "-"
}
