package quota_test

import (
	"context"
	"fmt"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/quota"
)

// A connection reserves a slot before it is opened, confirms it when it is open, and releases it at its end.
func ExampleAdmission() {
	ctx, admission := context.Background(), quota.New()
	request := quota.Request{Tenant: "ten_a", Channels: []string{"orders"}, Subject: "alice"}
	limits := tenants.Limits{ConnectionsPerChannel: 1}

	first, err := admission.Reserve(ctx, request, limits)
	if err != nil {
		fmt.Println(err)
		return
	}
	if !first.Confirm() {
		fmt.Println("the slot has lapsed: close the connection")
	}
	fmt.Println("open:", admission.Usage("ten_a").Connections)

	_, err = admission.Reserve(ctx, request, limits)
	fmt.Println("refused:", tenants.CodeOf(err))

	first.Release()
	second, err := admission.Reserve(ctx, request, limits)
	fmt.Println("after the release:", err)
	second.Release()
	// Output:
	// open: 1
	// refused: channel_connection_limit
	// after the release: <nil>
}
