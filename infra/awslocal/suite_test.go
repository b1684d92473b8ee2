package main

import (
	"testing"

	"github.com/hookcast/hookcast/infra/endtoend"
)

func TestSuite(t *testing.T) {
	p := start(t)
	endtoend.Suite(t, p.Deployment, p.operatorKey(t))
}

// A page that loses one node goes on where it was on the other.
func TestAStreamGoesOnOnTheOtherNode(t *testing.T) {
	p := start(t)
	one, two := p.node(0), p.node(1)
	tenant := p.Signup(t, "both")
	token := p.Token(t, tenant, "page", "orders")
	source := p.GitHubSource(t, tenant, "orders")
	first, second := one.MustSubscribe(t, token, "", nil, "orders"), two.MustSubscribe(t, token, "", nil, "orders")
	post := func(n int) {
		t.Helper()
		a, err := p.GitHub(t.Context(), source, "delivery-"+itoa(n), []byte(`{"n":`+itoa(n)+`}`))
		if err != nil {
			t.Fatal(err)
		}
		a.Want(t, 202)
	}
	for n := 1; n <= 5; n++ {
		post(n)
	}
	for n := 1; n <= 5; n++ {
		wantNumber(t, first, n)
		wantNumber(t, second, n)
	}
	first.Close()
	for n := 6; n <= 10; n++ {
		post(n)
	}
	moved := two.MustSubscribe(t, token, first.Cursor, nil, "orders")
	for n := 6; n <= 10; n++ {
		wantNumber(t, moved, n)
		wantNumber(t, second, n)
	}
}
