package signing

// Decoded returns v with id, type, attempt and notes read again from r: the verified request with its body decoded. A
// signature covers the bytes as sent, and fields of a compressed body can be read only after its Content-Encoding is
// undone.
func (s Scheme) Decoded(r Request, v Verified) Verified {
	v.DeliveryID, v.Type, v.Attempt, v.IDSigned, v.Notes = "", "", 0, false, nil
	s.identify(r, &v)
	return v
}
