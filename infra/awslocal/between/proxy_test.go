package between_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/infra/awslocal/between"
)

func ask(t *testing.T, url, op, body string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "Service."+op)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

func TestAProxyDoesWhatItIsTold(t *testing.T) {
	served := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(201)
		_, _ = io.WriteString(w, r.Header.Get("X-Amz-Target")+" "+string(body))
	}))
	defer server.Close()
	p, err := between.Open(server.URL, func(r *between.Request) between.Answer {
		switch r.Op {
		case "Refuse":
			return between.DynamoDBError("ThrottlingException")
		case "Fail":
			return between.DynamoDBError("InternalServerError")
		case "Lose":
			r.Pass()
			return between.Answer{}
		case "Twice":
			r.Pass()
			r.Body = append(r.Body, '!')
		}
		return r.Pass()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, tt := range []struct {
		op, want       string
		status, served int
	}{
		{"Pass", "Service.Pass body", 201, 1}, {"Twice", "Service.Twice body!", 201, 2},
		{"Refuse", "#ThrottlingException", 400, 0}, {"Fail", "#InternalServerError", 500, 0},
		{"Lose", "", 0, 1},
	} {
		served = 0
		status, answer, err := ask(t, p.URL, tt.op, "body")
		if status != tt.status || !strings.Contains(answer, tt.want) || served != tt.served ||
			(err != nil) != (tt.status == 0) {
			t.Errorf("%s is answered %d %q (%v), and executed %d times", tt.op, status, answer, err, served)
		}
	}
	server.Close()
	if status, _, err := ask(t, p.URL, "Pass", "body"); err == nil {
		t.Errorf("a closed server answers %d", status)
	}
}

func TestAProxyWithoutOrdersPasses(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }))
	defer server.Close()
	p, err := between.Open(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if status, _, err := ask(t, p.URL, "Pass", ""); status != 204 || err != nil {
		t.Errorf("got %d (%v), want 204", status, err)
	}
}
