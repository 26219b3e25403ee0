package life_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/life"
)

var updatePages = flag.Bool("update", false, "write docs/reference/rules.md anew")

const rulesHead = `# Rules

<!-- Generated from the table in internal/life by "go test ./internal/life -update". Do not edit. -->

A task changes its state by one of these rules and in no other way. The log names the rule with each change
(` + "`task.moved`" + `), and ` + "`muster why`" + ` says it in the words of this page. ` + "`done`, `failed` and `cancelled`" + ` are final.

| rule | from | to | when |
|---|---|---|---|
`

func TestTheRulesPageIsFresh(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(rulesHead)
	for _, r := range life.Rules() {
		if r.When == "" {
			t.Errorf("rule %s does not say when it is used", r.Rule)
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", r.Rule, states(r.From), r.To, r.When)
	}
	want := b.String()
	page := filepath.Join("..", "..", "docs", "reference", "rules.md")
	if *updatePages {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil { //nolint:gosec // a page of the repository
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("stale; run go test ./internal/life -update (-want +got):\n%s", d)
	}
}

// states lists the states of a rule. All states that are not final are one text.
func states(from []event.State) string {
	if len(from) == 12 {
		return "any that is not final"
	}
	words := make([]string, len(from))
	for i, s := range from {
		words[i] = "`" + string(s) + "`"
	}
	return strings.Join(words, " ")
}
