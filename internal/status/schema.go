package status

import _ "embed"

// schema is made from the type of a record by the tests (go test ./internal/status -update), because the package that makes
// schemas costs time at each start of the program.
//
//go:embed record.schema.json
var schema []byte

// Schema returns the JSON schema of a status record, for `muster schema status`.
func Schema() []byte { return schema }
