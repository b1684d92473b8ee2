package api

import _ "embed"

// OpenAPI is openapi.yaml, the contract of every route of the product, as served at /openapi.yaml. The file at the top of the
// repository is a link to the one beside this package, since a package can only embed what is below it.
//
//go:embed openapi.yaml
var OpenAPI []byte
