package signing

// Decoded returns v with what identifies the delivery read from r: the request that was verified, with its body decoded. A signature covers the
// bytes as they were sent, and what stands in them can be read only behind their Content-Encoding.
func (s Scheme) Decoded(r Request, v Verified) Verified {
	v.DeliveryID, v.Type, v.Attempt, v.IDSigned, v.Notes = "", "", 0, false, nil
	s.identify(r, &v)
	return v
}
