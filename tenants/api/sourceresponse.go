package api

import "github.com/hookcast/hookcast/tenants/source"

// responseView is a source's response to its provider, in requests and answers.
type responseView struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
	Type   string `json:"content_type,omitempty"`
}

func viewResponse(r *source.Response) *responseView {
	if r == nil {
		return nil
	}
	return &responseView{r.Status, r.Body, r.Type}
}

// responseOf reads the member response, nil if it is missing or null. The domain checks its values.
func responseOf(f *fields) (*source.Response, error) {
	if f.isNull("response") {
		return nil, nil
	}
	in, err := f.object("response")
	if err != nil || in == nil {
		return nil, err
	}
	in.require("status")
	r := &source.Response{Status: int(in.integer("status", 200, 204)), Body: in.lines("body"),
		Type: in.text("content_type")}
	in.refuseUnknown()
	return r, nil
}
