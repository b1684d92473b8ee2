package problem_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/problem"
)

func ExampleWrite() {
	err := &tenants.Error{
		Kind: tenants.Unprocessable, Code: "invalid_channel", Detail: "the channel must have at most 128 bytes",
		Fields: []tenants.FieldError{{Pointer: "/channel", Detail: "the channel must have at most 128 bytes"}},
	}
	w := httptest.NewRecorder()
	problem.Write(w, httptest.NewRequest("POST", "/v1/events", nil), "req_1", err)
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	var indented bytes.Buffer
	if err := json.Indent(&indented, w.Body.Bytes(), "", "  "); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(&indented)
	// Output:
	// 422 application/problem+json
	// {
	//   "type": "about:blank",
	//   "title": "Unprocessable Entity",
	//   "status": 422,
	//   "detail": "the channel must have at most 128 bytes",
	//   "code": "invalid_channel",
	//   "request_id": "req_1",
	//   "errors": [
	//     {
	//       "pointer": "/channel",
	//       "detail": "the channel must have at most 128 bytes"
	//     }
	//   ]
	// }
}
