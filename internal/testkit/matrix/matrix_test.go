package matrix

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/testkit/codex"
)

var run = flag.String("run-of-agents", "", "the output of `go test -json`, whose results are written into the page")

const (
	resultsFile = "results.json"
	pageFile    = "../../../docs/agents.md"
)

// TestPageIsFresh checks that the section of the page is the one that the results make. With -run-of-agents it adds a run to the results and
// writes the section.
func TestPageIsFresh(t *testing.T) {
	t.Parallel()
	r := Results{}
	b, err := os.ReadFile(resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	was, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if *run == "" {
		now, err := Page(string(was), r)
		if err != nil || now != string(was) {
			t.Errorf("the table in docs/agents.md is not that of %s (%v); run: make agents", resultsFile, err)
		}
		return
	}
	f, err := os.Open(*run)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	if err := r.Read(f, time.Now()); err != nil {
		t.Fatal(err)
	}
	if b, err = json.MarshalIndent(r, "", " "); err != nil {
		t.Fatal(err)
	}
	now, err := Page(string(was), r)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{resultsFile: string(b) + "\n", pageFile: now} {
		if err := os.WriteFile(name, []byte(data), 0o644); err != nil { //nolint:gosec // files of the repository
			t.Fatal(err)
		}
	}
}

// TestEveryCellHasATestOrAReason checks the table itself: that the tests which it names exist, and that no cell is exempt without a
// reason. The tests of each cell are played by internal/e2e, which checks that it has all situations.
func TestEveryCellHasATestOrAReason(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	for _, dir := range []string{"../../e2e", "../../agent/claude", "../../agent/codex", "../../agent/gemini", "../../agent/generic", "../../agent/opencode"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in %s (%v)", dir, err)
		}
		for _, path := range files {
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
					there[fn.Name.Name] = true
				}
			}
		}
	}
	for _, k := range kinds() {
		for s, test := range k.tests {
			if !there[test] || !slices.Contains(Situations(), s) || k.exempt[s] != "" {
				t.Errorf("%s, %q: there is no such test as %s, no such situation, or it is exempt", k.name, s, test)
			}
		}
		for s, why := range k.exempt {
			if why == "" || !slices.Contains(Situations(), s) {
				t.Errorf("%s: %q is exempt because %q", k.name, s, why)
			}
		}
	}
	if !there["TestSituations"] || !there["TestSituationsOfAnAccount"] {
		t.Error("no tests play the table")
	}
}

func TestResultsAreThoseOfTheLastRunOfEachTest(t *testing.T) {
	t.Parallel()
	old := func() map[string]Result { return map[string]Result{codex.Version: {Date: "2026-01-01", Passed: true}} }
	r := Results{"TestSituations/codex/plain_task": old(), "TestSituations/codex/message_while_idle": old()}
	lines := `{"Action":"run","Test":"TestSituations/codex/plain_task"}
{"Action":"fail","Test":"TestSituations/codex/plain_task"}
not JSON
{"Action":"pass","Test":"TestSituations/codex"}
{"Action":"skip","Test":"TestGeminiFromDispatchToDone"}
{"Action":"pass","Test":"TestSituationsOfAnAccount/opencode/401"}
{"Action":"pass","Test":"TestCopilotWorksAndIsTakenUpAgain"}
{"Action":"pass","Test":"TestOther/codex/message_while_idle"}
`
	if err := r.Read(strings.NewReader(lines), time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	page, err := Page("head\n"+begin+"\nold\n"+end+"\ntail\n", r)
	if err != nil || strings.Contains(page, "old") || !strings.HasPrefix(page, "head\n") || !strings.HasSuffix(page, "\ntail\n") {
		t.Fatalf("%v:\n%s", err, page)
	}
	for _, want := range []string{
		"| **failed** 2026-02-03 `TestCodexFirstTurnNeedsNoKeyAndACheckSpeaksWithinIt` |", "| 2026-01-01 `TestCodexTakesMessagesAndSaysWhetherItTakesWhatIsTyped` |",
		"| 2026-02-03 `TestOpenCodeSituations` |", "| 2026-02-03 `TestCopilotWorksAndIsTakenUpAgain` |", "| not run `TestGeminiFromDispatchToDone` |",
		"1. Codex CLI, question: ",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if _, err := Page("head\n"+begin+"\n", r); err == nil {
		t.Error("a page without the end of its section was written")
	}
}
