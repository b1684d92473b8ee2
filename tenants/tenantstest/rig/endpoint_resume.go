package rig

import "github.com/hookcast/hookcast/tenants/endpoint"

// Sent are the payloads that the endpoint has taken of a channel whose events have this name, in order.
func (p *Post) Sent(ep endpoint.Endpoint, name string) (list []string) {
	for _, r := range p.Receivers.Of(ep.ID) {
		if r.Accepted && len(r.Data) > len(name) && r.Data[:len(name)+1] == name+"-" {
			list = append(list, r.Data)
		}
	}
	return list
}
