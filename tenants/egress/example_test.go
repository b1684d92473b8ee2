package egress_test

import (
	"context"
	"fmt"

	"github.com/hookcast/hookcast/tenants/egress"
)

// Addresses need no lookup, so this example works offline.
func ExampleEgress_CheckURL() {
	e := egress.New(egress.Options{})
	defer e.Close()
	for _, url := range []string{
		"HTTPS://8.8.8.8:443/hooks",
		"https://169.254.169.254/latest/meta-data",
		"https://2130706433/",
		"http://8.8.8.8/",
	} {
		if normal, err := e.CheckURL(context.Background(), url); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(normal)
		}
	}
	// Output:
	// https://8.8.8.8/hooks
	// invalid_url: the address is link-local, where clouds keep metadata and credentials (RFC 3927)
	// invalid_url: an IPv4 address must be four decimal numbers joined by dots
	// invalid_url: the URL must begin with https://
}
