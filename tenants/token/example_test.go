package token_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/token"
)

// A token lets a browser read the channels that its tenant lists, until it expires or is revoked.
func ExampleTokens_Mint() {
	ctx := context.Background()
	tokens, tenant := newTokens(ctx)

	minted, err := tokens.Mint(ctx, tenant, token.Spec{Subject: "alice", Channels: []string{"orders.*"},
		TTL: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	principal, err := tokens.Verify(ctx, minted.Raw)
	fmt.Println(principal.Subject, principal.Roles, principal.Channels, err)

	err = tokens.Revoke(ctx, tenant, token.Revocation{TokenID: minted.ID})
	fmt.Println(err)
	_, err = tokens.Verify(ctx, minted.Raw)
	fmt.Println(tenants.CodeOf(err))
	// Output:
	// alice [viewer] [orders.*] <nil>
	// <nil>
	// token_revoked
}
