package change

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/git"
	"muster/internal/text"
)

const (
	maxFiles = 20  // of a finding
	maxNamed = 5   // in its text
	maxName  = 200 // bytes of a path
)

// Find returns what a change has that its task does not allow, the weightiest first.
func Find(d event.Demands, checks []event.Check, files []git.FileChange) []event.Finding {
	var out []event.Finding
	for _, kind := range event.FindingKinds() {
		if d.Reaction(kind) == event.ReactionAllow {
			continue
		}
		if found, words := finders[kind](d, checks, files); len(found) > 0 {
			out = append(out, finding(kind, found, words))
		}
	}
	return out
}

// finders return the files that a finding is about, none if there is no such finding, and the words before their names.
var finders = map[event.FindingKind]func(event.Demands, []event.Check, []git.FileChange) ([]git.FileChange, string){
	event.OutsideScope: func(d event.Demands, _ []event.Check, files []git.FileChange) ([]git.FileChange, string) {
		if len(d.Scope) == 0 {
			return nil, ""
		}
		return filter(files, func(f git.FileChange) bool { return !within(d.Scope, f.Path) }),
			"files outside of the task's scope (" + strings.Join(d.Scope, ", ") + ") were changed"
	},
	event.DeletedTests: func(_ event.Demands, _ []event.Check, files []git.FileChange) ([]git.FileChange, string) {
		return filter(files, func(f git.FileChange) bool { return f.Gone && !f.Moved && IsTest(f.Path) }), "tests were deleted"
	},
	event.ProseOnly: func(_ event.Demands, _ []event.Check, files []git.FileChange) ([]git.FileChange, string) {
		if slices.ContainsFunc(files, func(f git.FileChange) bool { return !IsProse(f.Path) }) {
			return nil, ""
		}
		return files, "only texts were changed"
	},
	event.CheckConfig: func(_ event.Demands, checks []event.Check, files []git.FileChange) ([]git.FileChange, string) {
		return filter(files, func(f git.FileChange) bool { return !f.New && Defines(checks, f.Path) }), "the definition of the checks was changed"
	},
	event.TooLarge: func(d event.Demands, _ []event.Check, files []git.FileChange) ([]git.FileChange, string) {
		lines := 0
		for _, f := range files {
			lines += f.Added + f.Removed
		}
		var limits []string
		if d.MaxFiles > 0 && len(files) > d.MaxFiles {
			limits = append(limits, fmt.Sprintf("%d files, at most %d are wanted", len(files), d.MaxFiles))
		}
		if d.MaxLines > 0 && lines > d.MaxLines {
			limits = append(limits, fmt.Sprintf("%d lines, at most %d are wanted", lines, d.MaxLines))
		}
		if len(limits) == 0 {
			return nil, ""
		}
		byLines := slices.Clone(files)
		slices.SortStableFunc(byLines, func(a, b git.FileChange) int { return b.Added + b.Removed - a.Added - a.Removed })
		return byLines, "the change is too large (" + strings.Join(limits, "; ") + ")"
	},
}

func filter(files []git.FileChange, is func(git.FileChange) bool) (out []git.FileChange) {
	for _, f := range files {
		if is(f) {
			out = append(out, f)
		}
	}
	return out
}

// finding names its files as far as they fit. An agent has chosen their names.
func finding(kind event.FindingKind, files []git.FileChange, words string) event.Finding {
	f := event.Finding{Kind: kind}
	for _, file := range files[:min(len(files), maxFiles)] {
		f.Files = append(f.Files, text.Field(file.Path, maxName))
	}
	f.Text = words + ": " + strings.Join(f.Files[:min(len(f.Files), maxNamed)], ", ")
	if more := len(files) - maxNamed; more > 0 {
		f.Text += fmt.Sprintf(" and %d more", more)
	}
	return f
}

// Skipped returns the names of the checks that concern none of the changed files. Without any change all of them count.
func Skipped(checks []event.Check, files []git.FileChange) (names []string) {
	for _, c := range checks {
		if len(files) > 0 && len(c.Only) > 0 && !slices.ContainsFunc(files, func(f git.FileChange) bool { return within(c.Only, f.Path) }) {
			names = append(names, c.Name)
		}
	}
	return names
}

// within reports whether a pattern of a scope matches a file. A pattern without wildcards that names a directory matches
// everything below it.
func within(scope []string, file string) bool {
	return slices.ContainsFunc(scope, func(pattern string) bool {
		if strings.HasPrefix(file, strings.TrimSuffix(pattern, "/")+"/") {
			return true
		}
		ok, err := doublestar.Match(pattern, file)
		return ok && err == nil
	})
}

// IsTest reports whether a file has tests, by the names that test runners look for.
func IsTest(file string) bool {
	base := path.Base(file)
	name, ext, _ := strings.Cut(base, ".") // name.test.ts: ext is test.ts
	switch {
	case !slices.Contains(code, path.Ext(base)):
		return false
	case strings.HasPrefix(ext, "test.") || strings.HasPrefix(ext, "spec."):
		return true
	case strings.HasPrefix(name, "test_"), strings.HasSuffix(name, "_test"), strings.HasSuffix(name, "_spec"):
		return true
	case (strings.HasSuffix(name, "Test") || strings.HasSuffix(name, "Tests")) && len(name) > len("Tests"): // of Java, Kotlin, C#, Swift, PHP
		return true
	}
	for _, dir := range strings.Split(path.Dir(file), "/") {
		if slices.Contains([]string{"test", "tests", "__tests__", "spec"}, dir) {
			return true
		}
	}
	return false
}

// code lists the extensions of programs.
var code = []string{
	".go", ".py", ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".rs", ".java", ".kt", ".kts", ".scala", ".rb", ".php", ".cs", ".fs", ".c", ".cc",
	".cpp", ".cxx", ".h", ".hpp", ".swift", ".m", ".ex", ".exs", ".erl", ".clj", ".hs", ".ml", ".lua", ".pl", ".t", ".sh", ".bash", ".bats", ".zig", ".dart", ".jl", ".r",
	".R", ".txtar",
}

// IsProse reports whether a file is a text for people.
func IsProse(file string) bool {
	base := path.Base(file)
	switch strings.ToLower(path.Ext(base)) {
	case ".md", ".markdown", ".mdx", ".rst", ".adoc", ".asciidoc", ".org", ".txt":
		// These decide what is installed or built.
		return !strings.HasPrefix(base, "requirements") && base != "CMakeLists.txt"
	case "":
		return slices.Contains([]string{"README", "CHANGELOG", "CHANGES", "NEWS", "LICENSE", "AUTHORS", "CONTRIBUTING", "TODO", "NOTICE"}, base)
	}
	return false
}

// Defines reports whether a file defines the checks: the project's file, or one that the command of a check names.
func Defines(checks []event.Check, file string) bool {
	if path.Base(file) == config.ProjectFile {
		return true
	}
	return slices.ContainsFunc(checks, func(c event.Check) bool {
		return slices.ContainsFunc(strings.Fields(c.Run), func(word string) bool { return path.Clean(word) == file })
	})
}
