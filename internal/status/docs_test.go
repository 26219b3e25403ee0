package status

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the schema of a status record")

func TestThePublishedSchemaIsFresh(t *testing.T) {
	t.Parallel()
	want, err := makeSchema()
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"record.schema.json", filepath.Join("..", "..", "docs", "reference", "status-record.schema.json")} {
		if *update {
			if err := os.WriteFile(page, want, 0o644); err != nil { //nolint:gosec // a page of the repository
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s is stale; run go test ./internal/status -update (-want +got):\n%s", page, d)
		}
	}
}
