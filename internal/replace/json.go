package replace

import (
	"encoding/json"
	"fmt"
)

// JSON writes v as one line of JSON with File, readable by its owner only.
func JSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return File(path, append(b, '\n'), 0o600)
}
