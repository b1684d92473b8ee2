//go:build !race

package tenants_test

const slower = 1
