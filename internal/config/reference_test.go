package config

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/pelletier/go-toml/v2"
)

var update = flag.Bool("update", false, "write docs/reference/config.md anew")

func TestTheReferencePageIsFresh(t *testing.T) {
	t.Parallel()
	page := filepath.Join("..", "..", "docs", "reference", "config.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, page, Reference())
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Reference(), string(got)); d != "" {
		t.Errorf("stale; run go test ./internal/config -update (-want +got):\n%s", d)
	}
}

func TestTheReferenceSaysTheDefaultsThatAreInForce(t *testing.T) {
	t.Parallel()
	rows := Default().Show()
	for _, k := range keys() {
		if k.doc == "" || !strings.HasSuffix(k.doc, ".") {
			t.Errorf("%s: no sentence: %q", k.path, k.doc)
		}
		if !json.Valid([]byte(k.def)) || k.open() {
			continue
		}
		i := slices.IndexFunc(rows, func(r Row) bool { return r.Key == k.path })
		if i < 0 || rows[i].Value != k.def || rows[i].Origin != originDefault {
			t.Errorf("%s: the reference says %s, Show says %+v", k.path, k.def, rows[max(i, 0)])
		}
	}
}

func TestTheExampleOfTheReferenceIsValid(t *testing.T) {
	t.Parallel()
	if _, err := ParseProject("muster.toml", []byte(example)); err != nil {
		t.Error(err)
	}
}

func TestTheSchemaAgreesWithTheParser(t *testing.T) {
	t.Parallel()
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{contract, true},
		{example, true},
		{"", true},
		{"[task]\nrnds = 1", false},
		{"[task]\nrounds = -1", false},
		{"[task]\nrounds = 'x'", false},
		{"[task]\npublish = 'x'", false},
		{"[task]\ntimeout = '1d2h30m'", true},
		{"[task]\ntimeout = 'soon'", false},
		{"[checks]\nx = 3", false},
		{"[checks]\nx = ' '", false},
		{"[checks]\n'a b' = 'x'", false},
		{"[checks.x]\nrun = 'a'\nwhen = 'b'", false},
		{"[checks.x]\nrun = 'a'\non = ['edit']", true},
		{"[agents.claude]\ncommand = []", false},
		{"[agents.claude.env]\nX = 1", false},
		{"[tasks]", false},
	} {
		var doc map[string]any
		if err := toml.Unmarshal([]byte(c.text), &doc); err != nil {
			t.Fatal(err)
		}
		if doc == nil {
			doc = map[string]any{}
		}
		_, perr := ParseProject("muster.toml", []byte(c.text))
		if serr := resolved.Validate(doc); (serr == nil) != c.ok || (perr == nil) != c.ok {
			t.Errorf("%q: schema says %v, parser says %v, want ok %v", c.text, serr, perr, c.ok)
		}
	}
}
