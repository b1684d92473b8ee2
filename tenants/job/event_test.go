package job

import "testing"

// The names in a job's row are stored, whatever the fields are called.
func TestRowOfAJobKeepsItsNames(t *testing.T) {
	row := `{"ID":"a","Tenant":"","Name":"","Channel":"","State":"","Percent":0,"Step":"","Message":"","Result":1,` +
		`"Error":{"Code":"c","Message":"m"}` +
		`,"Created":"2026-01-02T03:04:05.000000006Z","Reported":"0001-01-01T00:00:00Z"` +
		`,"Ended":"0001-01-01T00:00:00Z","Timeout":0,"Revision":0` +
		`,"Run":{"Endpoint":"e","Data":null,"Node":"n","Until":"2026-01-02T03:04:05.000000006Z"}` +
		`,"Lines":["<"],"Out":{"N":1,"Type":"t","Data":null,"Since":"2026-01-02T03:04:05.000000006Z"}` +
		`,"Sent":3,"Told":0,"ToldAt":"0001-01-01T00:00:00Z"` +
		`,"LoggedAt":"2026-01-02T03:04:05.000000006Z","EndTold":false,"Minded":"0001-01-01T00:00:00Z"}`
	var r storedJob
	if err := r.UnmarshalJSON([]byte(row)); err != nil {
		t.Fatal(err)
	}
	if r.Out.Data != nil || r.Error.Code != "c" || r.Sent != 3 {
		t.Errorf("the row is decoded as %+v", r)
	}
	if got := string(encode(r)); got != row {
		t.Errorf("the row is encoded as\n%s\nwant\n%s", got, row)
	}
}
