package rig

import (
	"fmt"

	"github.com/hookcast/hookcast/tenants"
)

func OutingTenant(i int) tenants.TenantID {
	return tenants.TenantID(tenants.DerivedID(tenants.PrefixTenant, fmt.Sprint("outing", i)))
}
