package api

import (
	"encoding/json"
	"strconv"

	"github.com/hookcast/hookcast/tenants/proxy"
)

// ProxyRun is the body of POST /v1/proxies/run: a proxy's fields and how to run it.
type ProxyRun struct {
	Spec       proxy.Spec
	Parameters map[string]string // values of the template's parameters
	Collect    bool              // answer with all events once the upstream ends, instead of a stream
}

// ParseProxyRun reads the body of POST /v1/proxies/run. Errors are the same as for the bodies of other routes.
func ParseProxyRun(body []byte) (run ProxyRun, err error) {
	f, err := parseFields(body)
	if err != nil {
		return run, err
	}
	if run.Spec, err = proxySpec(f, "url"); err != nil {
		return run, err
	}
	if run.Parameters, err = valuesIn(f, "values"); err != nil {
		return run, err
	}
	switch mode := f.text("mode"); mode {
	case "", "stream":
	case "collect":
		run.Collect = true
	default:
		f.refuse("mode", "must be stream or collect")
	}
	return run, f.err()
}

// ParseProxyParameters reads the body of POST /v1/proxies/{id}/stream and …/collect:
// {"parameters":{"city":"Bern","days":3}}.
func ParseProxyParameters(body []byte) (map[string]string, error) {
	f, err := parseFields(body)
	if err != nil {
		return nil, err
	}
	given, err := valuesIn(f, "parameters")
	if err != nil {
		return nil, err
	}
	return given, f.err()
}

// valuesIn reads an object of strings and whole numbers.
func valuesIn(f *fields, name string) (map[string]string, error) {
	o, err := f.object(name)
	if o == nil || err != nil {
		return nil, err
	}
	given := make(map[string]string, len(o.order))
	for _, key := range o.order {
		raw := o.raw(key)
		if raw[0] == '"' {
			given[key] = o.text(key)
			continue
		}
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			given[key] = strconv.FormatInt(n, 10)
		} else {
			o.refuse(key, "must be a string or a whole number")
		}
	}
	return given, nil
}

// Collected is the result of a run that was collected until its end.
type Collected struct {
	Data               []CollectedEvent
	ClientDisconnected bool
	Ended, Code        string
}

// CollectedEvent is one event of a collected run.
type CollectedEvent struct {
	Type string
	Data []byte
	ID   string
}

// CollectedBody encodes the answer to a collected run. As in lists, an event's data is itself if it is valid JSON,
// else a string.
func CollectedBody(c Collected) []byte {
	type event struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
		ID   string          `json:"id"`
	}
	body := struct {
		Data               []event `json:"data"`
		ClientDisconnected bool    `json:"client_disconnected"`
		Ended              string  `json:"ended"`
		Code               string  `json:"code,omitempty"`
	}{make([]event, 0, len(c.Data)), c.ClientDisconnected, c.Ended, c.Code}
	for _, e := range c.Data {
		data := json.RawMessage(e.Data)
		if !json.Valid(data) {
			data = encode(string(e.Data))
		}
		body.Data = append(body.Data, event{e.Type, data, e.ID})
	}
	return encode(body)
}
