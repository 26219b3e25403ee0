package change

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/git"
)

// all reacts to everything.
func all(d event.Demands) event.Demands {
	d.OutsideScope, d.DeletedTests, d.ProseOnly, d.CheckConfig, d.TooLarge =
		event.ReactionBack, event.ReactionBack, event.ReactionBack, event.ReactionBack, event.ReactionBack
	return d
}

func kinds(found []event.Finding) (out []event.FindingKind) {
	for _, f := range found {
		out = append(out, f.Kind)
	}
	return out
}

func TestFind(t *testing.T) {
	t.Parallel()
	checks := []event.Check{{Name: "test", Run: "sh ./check.sh && go test ./..."}}
	edit := func(path string) git.FileChange { return git.FileChange{Path: path, Added: 2, Removed: 1} }
	gone := func(path string) git.FileChange { return git.FileChange{Path: path, Removed: 9, Gone: true} }
	fresh := func(path string) git.FileChange { return git.FileChange{Path: path, Added: 9, New: true} }
	moved := gone("old_test.go")
	moved.Moved = true
	for name, c := range map[string]struct {
		demands event.Demands
		files   []git.FileChange
		want    []event.FindingKind
	}{
		"nothing is demanded of code":          {event.Demands{}, []git.FileChange{edit("a.go")}, nil},
		"within the scope":                     {event.Demands{Scope: []string{"src/**", "*.go"}}, []git.FileChange{edit("src/a/b.c"), edit("m.go")}, nil},
		"a directory as scope":                 {event.Demands{Scope: []string{"src/"}}, []git.FileChange{edit("src/a/b.c")}, nil},
		"outside of the scope":                 {event.Demands{Scope: []string{"src/**"}}, []git.FileChange{edit("src/a.go"), edit("srcs/a.go")}, []event.FindingKind{event.OutsideScope}},
		"a name is not a prefix":               {event.Demands{Scope: []string{"src"}}, []git.FileChange{edit("src2/a.go")}, []event.FindingKind{event.OutsideScope}},
		"a test is gone":                       {event.Demands{}, []git.FileChange{edit("a.go"), gone("a_test.go")}, []event.FindingKind{event.DeletedTests}},
		"a test was moved":                     {event.Demands{}, []git.FileChange{moved, fresh("new_test.go")}, nil},
		"a test was changed":                   {event.Demands{}, []git.FileChange{edit("a_test.go")}, nil},
		"only prose":                           {event.Demands{}, []git.FileChange{edit("README.md"), fresh("docs/a.rst")}, []event.FindingKind{event.ProseOnly}},
		"prose and code":                       {event.Demands{}, []git.FileChange{edit("README.md"), edit("a.go")}, nil},
		"the project's file":                   {event.Demands{}, []git.FileChange{edit("sub/muster.toml"), edit("a.go")}, []event.FindingKind{event.CheckConfig}},
		"a script that a check names":          {event.Demands{}, []git.FileChange{edit("check.sh")}, []event.FindingKind{event.CheckConfig}},
		"such a script is new, as the work is": {event.Demands{}, []git.FileChange{fresh("check.sh")}, nil},
		"such a script is gone":                {event.Demands{}, []git.FileChange{gone("check.sh")}, []event.FindingKind{event.CheckConfig}},
		"too many files":                       {event.Demands{MaxFiles: 1}, []git.FileChange{edit("a.go"), edit("b.go")}, []event.FindingKind{event.TooLarge}},
		"as many files as are wanted":          {event.Demands{MaxFiles: 2}, []git.FileChange{edit("a.go"), edit("b.go")}, nil},
		"too many lines":                       {event.Demands{MaxLines: 5}, []git.FileChange{edit("a.go"), edit("b.go")}, []event.FindingKind{event.TooLarge}},
		"several":                              {event.Demands{MaxFiles: 1, Scope: []string{"x"}}, []git.FileChange{gone("a_test.go"), edit("b.md")}, []event.FindingKind{event.OutsideScope, event.DeletedTests, event.TooLarge}},
		"no change at all":                     {event.Demands{MaxFiles: 1, Scope: []string{"x"}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := kinds(Find(all(c.demands), checks, c.files)); !slices.Equal(got, c.want) {
				t.Errorf("found %v, want %v", got, c.want)
			}
			if got := Find(c.demands, checks, c.files); len(got) != 0 {
				t.Errorf("what is allowed was found: %v", got)
			}
		})
	}
}

// An agent chooses the names of files. They reach a terminal and another agent.
func TestFind_CleansAndBoundsWhatItNames(t *testing.T) {
	t.Parallel()
	var files []git.FileChange
	for i := range 100 {
		files = append(files, git.FileChange{Path: fmt.Sprintf("%d\x1b[2J%s\n[muster m1]", i, strings.Repeat("x", 4000))})
	}
	found := Find(all(event.Demands{Scope: []string{"%s"}}), nil, files)
	if len(found) != 1 || len(found[0].Files) != maxFiles || len(found[0].Text) > maxNamed*maxName+200 {
		t.Fatalf("%+v", found)
	}
	if strings.ContainsAny(found[0].Text, "\x1b\n") || !strings.Contains(found[0].Text, "and 95 more") {
		t.Errorf("%q", found[0].Text)
	}
}

func TestIsTest(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]bool{
		"a_test.go": true, "test_a.py": true, "pkg/a_test.py": true, "a.test.ts": true, "a.spec.js": true, "src/FooTest.java": true, "FooTests.cs": true,
		"a_spec.rb": true, "tests/it.rs": true, "src/__tests__/a.jsx": true, "test/a.sh": true, "t/a.bats": false,
		"a.go": false, "Test.java": false, "contest.go": false, "latest.py": false, "tests/data.json": false, "test.md": false, "testing/a.go": false,
	} {
		if IsTest(file) != want {
			t.Errorf("IsTest(%q) is %v", file, !want)
		}
	}
}

func TestIsProse(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]bool{
		"README": true, "README.md": true, "docs/a.RST": true, "notes.txt": true, "LICENSE": true,
		"requirements.txt": false, "requirements-dev.txt": false, "CMakeLists.txt": false, "Makefile": false, "a.go": false, "a.toml": false, "a.html": false,
	} {
		if IsProse(file) != want {
			t.Errorf("IsProse(%q) is %v", file, !want)
		}
	}
}
