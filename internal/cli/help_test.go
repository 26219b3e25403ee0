package cli

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// everyVerb returns all visible verbs, including subcommands.
func everyVerb(t *testing.T) []*cobra.Command {
	t.Helper()
	var all []*cobra.Command
	var each func(*cobra.Command)
	each = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				all = append(all, sub)
				each(sub)
			}
		}
	}
	each(newRoot(Env{}))
	if len(all) < 25 {
		t.Fatalf("%d verbs: they are not all found", len(all))
	}
	return all
}

func TestEveryVerbHasASentenceExamplesAndExitCodes(t *testing.T) {
	t.Parallel()
	for _, c := range everyVerb(t) {
		help := helpText(Env{}, c)
		if sentence, _, _ := strings.Cut(c.Long, "\n"); !strings.Contains(c.Long, ".") || strings.HasPrefix(sentence, " ") {
			t.Errorf("%s: its help does not begin with a sentence", c.CommandPath())
		}
		examples := 0
		for line := range strings.Lines(c.Long) {
			if strings.HasPrefix(line, "  ") && strings.Contains(line, c.CommandPath()) {
				examples++
			}
		}
		if c.HasSubCommands() { // the examples are at its subcommands
			examples++
		}
		if examples < 2 {
			t.Errorf("%s: %d examples in its help, want two", c.CommandPath(), examples)
		}
		if strings.Count(help, "Exit codes:") != 1 {
			t.Errorf("%s: its help must list its exit codes once", c.CommandPath())
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || ansi.StringWidth(c.Short) > 66 {
			t.Errorf("%s: %q does not fit into the list of verbs", c.CommandPath(), c.Short)
		}
	}
}

func TestExitCodesAreThoseOfTheirVerb(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"0": true}
	for line := range strings.Lines(rootExits) {
		known[strings.Fields(line)[0]] = true
	}
	verbs := map[string]bool{}
	for _, c := range everyVerb(t) {
		path := verbPath(c)
		verbs[path] = true
		last := -1
		for line := range strings.Lines(exits[path]) {
			word, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
			code, err := strconv.Atoi(word)
			switch {
			case err != nil || meaning == "":
				t.Errorf("%s: %q does not say what a code means", path, line)
			case code <= last:
				t.Errorf("%s: code %d does not stand in order", path, code)
			case !known[word] && path != "check": // check passes on the codes of other programs
				t.Errorf("%s: %d is not an exit code of muster", path, code)
			}
			last = code
		}
		if last < 0 {
			t.Errorf("%s: add its exit codes to exits.go", path)
		}
	}
	for path := range exits {
		if !verbs[path] {
			t.Errorf("exits.go has codes of %q, which is not a verb", path)
		}
	}
}

func TestHelpFitsATerminal(t *testing.T) {
	t.Parallel()
	root := newRoot(Env{})
	for _, c := range append(everyVerb(t), root) {
		for line := range strings.Lines(helpText(Env{}, c)) {
			if ansi.StringWidth(strings.TrimRight(line, "\n")) > helpWidth {
				t.Errorf("%s: a line of its help is too long: %s", c.CommandPath(), line)
			}
		}
	}
}

func TestEveryFlagIsDocumented(t *testing.T) {
	t.Parallel()
	value := regexp.MustCompile(`^[A-Z][A-Z=:]*$`)
	for _, c := range everyVerb(t) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			name, usage := pflag.UnquoteUsage(f)
			if len(strings.TrimSpace(usage)) < 5 {
				t.Errorf("%s --%s: no usage text", c.CommandPath(), f.Name)
			}
			switch isBool := f.Value.Type() == "bool"; {
			case isBool && name != "":
				t.Errorf("%s --%s: takes no value, but its usage names %q", c.CommandPath(), f.Name, name)
			case !isBool && !value.MatchString(name):
				t.Errorf("%s --%s: its value is called %q; put one word in capitals and backquotes", c.CommandPath(), f.Name, name)
			}
		})
	}
}

// TestEveryVerbSpeaksJSON checks that each verb of the design has --json, except those that print a script, a schema,
// a screen or a story.
func TestEveryVerbSpeaksJSON(t *testing.T) {
	t.Parallel()
	silent := []string{"completion", "man", "top", "web", "web token", "config", "config schema", "schema", "schema status", "demo", "service", "notify", "intake", "fence"}
	for _, c := range everyVerb(t) {
		if has := c.Flags().Lookup("json") != nil; has == slices.Contains(silent, verbPath(c)) {
			t.Errorf("%s: --json is there: %t", c.CommandPath(), has)
		}
	}
}

func TestEveryVerbHasAScript(t *testing.T) {
	t.Parallel()
	for _, c := range everyVerb(t) {
		if c.Parent().HasParent() {
			continue
		}
		if _, err := os.Stat("testdata/script/" + c.Name() + ".txtar"); err != nil {
			t.Errorf("%s has no script", c.Name())
		}
	}
}

func TestColourIsForTerminalsAlone(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if env := (Env{Stdout: &out}); env.colour() || env.width() != 0 {
		t.Error("a buffer was taken for a terminal")
	}
}

func TestTablesGiveWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		widths []int
		total  int
		want   []int
	}{
		{[]int{3, 10, 20}, 40, []int{3, 10, 20}},
		{[]int{3, 10, 40}, 40, []int{3, 10, 27}},
		{[]int{3, 30, 40}, 43, []int{3, 20, 20}},
		{[]int{3, 30, 40}, 5, []int{3, 6, 6}},
	} {
		fit(c.widths, c.total)
		if !slices.Equal(c.widths, c.want) {
			t.Errorf("%v, want %v", c.widths, c.want)
		}
	}
}
