package signing

// For the tests of what can be seen from outside.
var Players = players

func (p *player) Compose(t tester, payload []byte, id string) Request {
	return p.compose(t, payload, id)
}
