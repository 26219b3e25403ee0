package status_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/status"
)

var update = flag.Bool("update", false, "write docs/reference/status-record.schema.json anew")

func TestThePublishedSchemaIsFresh(t *testing.T) {
	t.Parallel()
	want, err := status.Schema()
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join("..", "..", "docs", "reference", "status-record.schema.json")
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
		t.Errorf("stale; run go test ./internal/status -update (-want +got):\n%s", d)
	}
}
