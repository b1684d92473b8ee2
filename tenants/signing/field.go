package signing

// Field returns the string or number at path in a JSON body: member names joined by ".", as in [Place].Field. The
// first of several members with equal names wins. A number is returned as written; a value over limit bytes is cut to
// limit+1 bytes. Field makes at most one pass over the body; it does not look past anything nested deeper than 64
// levels.
func Field(body []byte, path string, limit int) (value string, found bool) {
	return jsonField(body, path, limit)
}
