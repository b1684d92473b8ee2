// Package golden compares the encoding of stored records with a golden file. A row that one version writes must be
// readable by every later version, so a line of a golden file never changes. A new field is a new line.
package golden

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file of stored records anew")

// Record is a record of a row of the given kind.
type Record struct {
	Kind  string
	Value any
}

// Check compares the records' JSON encodings with the lines of testdata/records.golden in the directory of the test,
// and decodes each again. With -update it writes the file.
func Check(t *testing.T, records ...Record) {
	t.Helper()
	var got []byte
	for _, r := range records {
		body, err := json.Marshal(r.Value)
		if err != nil {
			t.Fatalf("%s: %v", r.Kind, err)
		}
		got = append(append(append(append(got, r.Kind...), '\t'), body...), '\n')
		back := reflect.New(reflect.TypeOf(r.Value))
		err = json.Unmarshal(body, back.Interface())
		if err != nil || !reflect.DeepEqual(back.Elem().Interface(), r.Value) {
			t.Errorf("%s decodes to %+v, %v, want %+v", r.Kind, back.Elem(), err, r.Value)
		}
	}
	const file = "testdata/records.golden"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("records are encoded as\n%s\nwant\n%s", got, want)
	}
}
