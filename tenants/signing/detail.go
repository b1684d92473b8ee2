package signing

import "errors"

// Detail returns what an error of this package says to the tenant whose scheme or secret it is about. It holds no secret.
// For any other error it says only that the value is not accepted.
func Detail(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Detail
	}
	return "it is not taken"
}
