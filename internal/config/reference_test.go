package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/pelletier/go-toml/v2"
)

var update = flag.Bool("update", false, "write docs/reference/config.md")

func TestReference_PageIsFresh(t *testing.T) {
	t.Parallel()
	page := filepath.Join("..", "..", "docs", "reference", "config.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, page, reference())
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(reference(), string(got)); d != "" {
		t.Errorf("stale; run go test ./internal/config -update (-want +got):\n%s", d)
	}
}

func TestSchema_IsFresh(t *testing.T) {
	t.Parallel()
	want, err := makeSchema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		write(t, "schema.json", string(want))
	}
	got, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("stale; run go test ./internal/config -update (-want +got):\n%s", d)
	}
}

func TestReference_DefaultsMatchShow(t *testing.T) {
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

func TestReference_ExampleIsValid(t *testing.T) {
	t.Parallel()
	if _, err := parseProject("muster.toml", []byte(example)); err != nil {
		t.Error(err)
	}
}

func TestSchema_AgreesWithTheParser(t *testing.T) {
	t.Parallel()
	var s jsonschema.Schema
	if err := json.Unmarshal(Schema(), &s); err != nil {
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
		{"[[permission]]\ntool = 'run'\ncommand = 'go *'\naction = 'allow'", true},
		{"[[permission]]\ntool = 'run'\naction = 'maybe'", false},
		{"[permission]\ntool = 'run'", false},
		{"[budget.task]\ncost_usd = 2\nsoft = 0.5\ntokens = 2_000_000\nturns = 60\nwall = '2h'", true},
		{"[budget.task]\nsoft = 2", false},
		{"[budget.task]\ntokens = 0.5", false},
		{"[budget]\ncost_usd = 2", false},
		{"[prices.'claude-*']\ninput = 1\noutput = 2.5", true},
		{"[prices.'a b']\ninput = 1\noutput = 2", false},
		{"[prices.a]\ninput = -1\noutput = 2", false},
	} {
		var doc map[string]any
		if err := toml.Unmarshal([]byte(c.text), &doc); err != nil {
			t.Fatal(err)
		}
		if doc == nil {
			doc = map[string]any{}
		}
		_, perr := parseProject("muster.toml", []byte(c.text))
		if serr := resolved.Validate(doc); (serr == nil) != c.ok || (perr == nil) != c.ok {
			t.Errorf("%q: schema says %v, parser says %v, want ok %v", c.text, serr, perr, c.ok)
		}
	}
}

// reference renders docs/reference/config.md: every key with its type, default and meaning.
func reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range tables() {
		title := "[" + s.name + "]"
		if slices.Contains(lists, s.name) {
			title = "[" + title + "]"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", title, s.doc)
		for _, k := range keys() {
			if !strings.HasPrefix(k.path, s.name+".") {
				continue
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", strings.ReplaceAll(k.path, ".N.", "."), k.typeWords(), k.defaultWords(), strings.ReplaceAll(k.doc, "|", `\|`))
		}
	}
	b.WriteString("\n## An example\n\n```toml\n" + example + "```\n")
	return b.String()
}

const referenceHead = `# Configuration

<!-- Generated from internal/config/keys.go by "go test ./internal/config -update". Do not edit. -->

Muster reads two files, both TOML and both optional: the user's ` + "`$XDG_CONFIG_HOME/muster/config.toml`" + `
(` + "`$MUSTER_HOME/config.toml`" + ` if that is set), and over it ` + "`muster.toml`" + ` at the root of the checkout that
` + "`muster dispatch`" + ` is run for, committed or not. Flags go over both. What is in force, and where each value came
from, is printed by ` + "`muster config show`" + `. An unknown key is an error that names its line and column.

Durations are strings: ` + "`\"90s\"`, `\"20m\"`, `\"1h30m\"`, `\"2d\"`" + `. Sizes are strings such as ` + "`\"512MiB\"`" + `, or bytes.
NAME is a name of your choice: letters, digits, ` + "`_ . -`" + `, 64 at most.
`

const example = `[task]
agent = "claude"
publish = "branch"
timeout = "3h"
rounds = 5

[checks]
build = { run = "go build ./...", on = "edit" }
test = { run = "go test ./...", timeout = "20m" }
lint = "golangci-lint run"

[workspace]
setup = "npm ci"
copy = [".env"]

[agents.claude]
args = ["--permission-mode", "acceptEdits"]
env_from = ["ANTHROPIC_API_KEY"]

[agents.mine]
kind = "command"
command = ["./agent.sh", "{prompt_file}"]
`

func (k *key) typeWords() string {
	switch k.kind {
	case kindWord:
		return "`" + strings.ReplaceAll(quoted(k.words), ", ", "` `") + "`"
	case kindCount:
		if k.max == mostCount && k.min >= 0 {
			return fmt.Sprintf("integer from %d on", k.min)
		}
	case kindEnv, kindEnvPath:
		return "string"
	case kindEdit:
		return "`\"edit\"`, `[\"edit\"]`"
	default: // the kind is the word
	}
	return string(k.kind)
}

func (k *key) defaultWords() string {
	if k.def == "" {
		return "–"
	}
	if strings.HasPrefix(k.def, `"`) || k.kind == kindCount && strings.Trim(k.def, "0123456789") == "" || k.def == "[]" {
		return "`" + k.def + "`"
	}
	return k.def
}
