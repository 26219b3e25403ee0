package config

import _ "embed"

// schema is made from the table of keys by the tests (go test ./internal/config -update), because the package that makes schemas
// costs time at each start of the program.
//
//go:embed schema.json
var schema []byte

// Schema returns the JSON schema of both files, for editors.
func Schema() []byte { return schema }
