package signing

// Field reads a string or a number from an object in a JSON body, at member names joined by "."; it is the reader of
// [Place].Field, for callers who want other facts of the same body. Of members with equal names the first wins, a number
// is given as written, and a value over limit bytes as a longer text that is cut. Whatever the body is, the work is one pass
// over it at the most; what stands behind something nested deeper than 64 is not found.
func Field(body []byte, path string, limit int) (value string, found bool) {
	return jsonField(body, path, limit)
}
