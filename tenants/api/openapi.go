package api

import _ "embed"

// OpenAPI is openapi.yaml, the contract of all routes of the product, as served at /openapi.yaml. The file at the top
// of the repository is a link to the one in this directory, because a package can embed only files of its own
// directory.
//
//go:embed openapi.yaml
var OpenAPI []byte
