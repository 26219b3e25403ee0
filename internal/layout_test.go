// Package internal_test holds what a reader of this repository may rely on, as tests over its source.
package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors is the house from the ground up: a package imports only what stands before it. A package below one of
// these (tmux/tmuxtest) belongs to it.
var floors = []string{
	"fault", "text", "event", "permit", "recipe", "life", "price", "regular", "replace", "environ", "scarce", "run", "host", "lock", "spec", "home", "cast", "fence", "config", "store", "words", "status", "mail", "proof",
	"tmux", "git", "change", "check", "agent", "forge", "service", "notify", "launch", "keeper", "boot", "fleet", "daemon", "report", "intake", "inside", "control",
	"tui", "web", "mcp", "cli", "testkit", "e2e",
}

// fleetImports are the only packages that fleet may know: daemon connects the edges to it.
var fleetImports = []string{"fault", "event", "home", "text", "scarce", "life"}

// owners says which package alone may name a program as a word of a command line.
var owners = map[string]string{"tmux": "tmux", "git": "git", "gh": "forge"}

// vendors are the names of agents that only the folders below agent may know; agent itself may not.
var vendors = []string{"claude", "codex", "gemini", "opencode"}

// vendorNames are the places outside agent that may have them nevertheless, and why.
var vendorNames = map[string]string{
	"config":           "the table of kinds, and the examples of the generated reference and of `muster init`",
	"testkit/claude":   "it brings that program to tests",
	"testkit/codex":    "it brings that program to tests",
	"testkit/gemini":   "it brings that program to tests",
	"testkit/matrix":   "the table of what each program is tested in",
	"testkit/opencode": "it brings that program to tests",
	"recipe":           "the shape of hooks that many agents have taken over from one",
}

// goroutines are the packages that may start them, and who waits for them.
var goroutines = map[string]string{
	"cast":        "a recorder is a process of its own: the end of its input or of the process ends them",
	"status":      "Watcher.Serve waits",
	"tmux":        "Client.Close waits",
	"host":        "Deaths.Serve and Machine.End wait",
	"run":         "Proc.Wait waits",
	"git":         "each call waits for the one that watches it",
	"fence":       "Fence.Exec waits; the restricted thread ends with its goroutine",
	"fleet":       "Supervisor.Serve waits",
	"control":     "the last reader of the log waits for the lookout",
	"cli":         "progress.end waits",
	"notify/post": "Service.Serve waits for each message",
	"tui":         "the program's loop waits",
	"web":         "the server's shutdown waits",
	"mcp":         "the server's shutdown waits",
	"agent/sim":   "a program of its own, which plays an agent",
	"agent/acp":   "a program of its own: the lines of its agent, the mailbox, the keyboard and each request wait for the end of Run",
	"daemon":      "supervise.go starts the services of one supervisor and waits for them",
}

// startsGoroutines are the files of daemon that may.
var startsGoroutines = []string{"supervise.go"}

// clock are the functions of package time that floor 0 must not call: they read the clock or wait.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// outside are the packages that floor 0 must not import: the world, chance, and whatever runs at the same time.
var outside = []string{"os", "os/exec", "os/signal", "io/fs", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "sync", "sync/atomic", "syscall", "log", "log/slog", "runtime"}

// source is one file that is no test.
type source struct {
	path string // from the root, with slashes
	pkg  string // below internal, such as tmux/tmuxtest; "" for cmd
	file *ast.File
}

// room is the package of floors that a file belongs to.
func (s source) room() string { return room(s.pkg) }

func room(pkg string) string {
	first, _, _ := strings.Cut(pkg, "/")
	return first
}

var fset = token.NewFileSet()

// sources parses the program: every file that is no test, for every platform.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || path == filepath.Join("..", "internal", "bench")):
				return filepath.SkipDir // bench is a tool of the repository and no part of the program
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			slashed := strings.TrimPrefix(filepath.ToSlash(path), "../")
			pkg, inside := strings.CutPrefix(filepath.ToSlash(filepath.Dir(slashed)), "internal/")
			if !inside {
				pkg = ""
			}
			out = append(out, source{path: slashed, pkg: pkg, file: f})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 100 {
		t.Fatalf("only %d files found", len(out))
	}
	return out
}

func where(n ast.Node) string {
	p := fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", strings.TrimPrefix(filepath.ToSlash(p.Filename), "../"), p.Line)
}

func imports(s source) map[string]*ast.ImportSpec {
	out := map[string]*ast.ImportSpec{}
	for _, spec := range s.file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		out[path] = spec
	}
	return out
}

func TestAPackageImportsOnlyWhatStandsAboveIt(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		own := slices.Index(floors, s.room())
		if s.pkg != "" && own < 0 {
			t.Errorf("%s: package %s has no place in the house: add it to floors and to docs/ARCHITECTURE.md", s.path, s.pkg)
			continue
		}
		for path, spec := range imports(s) {
			pkg, ours := strings.CutPrefix(path, "muster/internal/")
			if !ours {
				continue
			}
			switch other := slices.Index(floors, room(pkg)); {
			case s.pkg == "" && pkg != "cli":
				t.Errorf("%s: main imports %s; it knows cli alone", where(spec), pkg)
			case s.pkg == "" || room(pkg) == s.room():
			case other > own:
				t.Errorf("%s: %s imports %s, which stands below it", where(spec), s.pkg, pkg)
			case room(pkg) == "daemon" && s.room() != "cli":
				t.Errorf("%s: %s imports daemon, which is the process of a supervisor; only the hidden verbs of cli start that", where(spec), s.pkg)
			case s.room() == "fleet" && !isForTests(s) && !slices.Contains(fleetImports, pkg):
				t.Errorf("%s: fleet imports %s; it declares an interface instead, to which daemon connects the edge", where(spec), pkg)
			}
		}
	}
}

func TestOnlyRunStartsProcesses(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.room() == "run" || s.pkg == "testkit/proc" { // proc starts the processes of tests
			continue
		}
		if spec, ok := imports(s)["os/exec"]; ok {
			t.Errorf("%s: imports os/exec; use run", where(spec))
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				switch selector(sel) {
				case "os.StartProcess", "syscall.Exec", "syscall.ForkExec", "syscall.StartProcess", "unix.Exec":
					t.Errorf("%s: %s; use run", where(n), selector(sel))
				}
			}
			return true
		})
	}
}

func TestAProgramIsNamedByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		check := func(e ast.Expr) {
			lit, ok := e.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return
			}
			word, _ := strconv.Unquote(lit.Value)
			if owner, owned := owners[word]; owned && s.room() != owner {
				t.Errorf("%s: %q is a word of a command line outside %s", where(e), word, owner)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit: // the first word of an argv
				if a, ok := n.Type.(*ast.ArrayType); ok && len(n.Elts) > 0 {
					if id, ok := a.Elt.(*ast.Ident); ok && id.Name == "string" {
						check(n.Elts[0])
					}
				}
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && strings.HasSuffix(sel.Sel.Name, "LookPath") && len(n.Args) > 0 {
					check(n.Args[0])
				}
			}
			return true
		})
	}
}

func TestVendorsAreKnownBelowAgentAlone(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if strings.HasPrefix(s.pkg, "agent/") || vendorNames[s.pkg] != "" || s.pkg == "" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if vendor := vendorIn(n.Name); vendor != "" {
					t.Errorf("%s: %s bears the name of a vendor's agent", where(n), n.Name)
				}
			case *ast.BasicLit:
				text, _ := strconv.Unquote(n.Value)
				vendor := vendorIn(text)
				// What cli says to people may name an agent; a word that a program could compare may not.
				if vendor == "" || s.room() == "cli" && strings.ContainsAny(text, " \n") {
					return true
				}
				t.Errorf("%s: %s names a vendor's agent", where(n), n.Value)
			}
			return true
		})
	}
}

// TestAdaptersStandSideBySide: what two kinds of agents share belongs to agent, and agent knows none of them.
func TestAdaptersStandSideBySide(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for path, spec := range imports(s) {
			pkg, ours := strings.CutPrefix(path, "muster/internal/")
			if !ours || !strings.HasPrefix(pkg, "agent/") || s.room() != "agent" {
				continue
			}
			if s.pkg != "agent/all" && room(strings.TrimPrefix(pkg, "agent/")) != room(strings.TrimPrefix(s.pkg, "agent/")) {
				t.Errorf("%s: %s imports %s; only agent/all knows the kinds of agents", where(spec), s.pkg, pkg)
			}
		}
	}
}

func vendorIn(text string) string {
	text = strings.ToLower(text)
	for _, v := range vendors {
		if strings.Contains(text, v) {
			return v
		}
	}
	return ""
}

// TestUsageOfAgentsIsCountedByTheTallyAlone: an adapter that adds up tokens itself would leave the model and the price out.
func TestUsageOfAgentsIsCountedByTheTallyAlone(t *testing.T) {
	t.Parallel()
	counted := 0
	for _, s := range sources(t) {
		if !strings.HasPrefix(s.pkg, "agent/") || s.pkg == "agent/sim" {
			continue
		}
		allowed := map[ast.Node]bool{} // uses of the type in what is handed to the tally
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncType: // a function that counts may be passed on
				for _, p := range n.Params.List {
					allowed[p.Type] = true
				}
			case *ast.CallExpr:
				name := ""
				switch f := n.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
				}
				for _, arg := range n.Args {
					if lit, ok := arg.(*ast.CompositeLit); ok && slices.Contains([]string{"Count", "CountAside", "count"}, name) {
						allowed[lit.Type] = true
						counted++
					}
				}
			case *ast.SelectorExpr:
				if selector(n) == "event.Usage" && !allowed[n] {
					t.Errorf("%s: usage outside of a call of agent.Tally", where(n))
				}
			}
			return true
		})
	}
	if counted < 4 {
		t.Errorf("%d adapters count usage", counted)
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	docs, packages := map[string]string{}, map[string]bool{}
	for _, s := range sources(t) {
		dir := filepath.ToSlash(filepath.Dir(s.path))
		packages[dir] = true
		if s.file.Doc == nil {
			continue
		}
		if _, twice := docs[dir]; twice {
			t.Errorf("%s: a second comment for the package", s.path)
		}
		docs[dir] = s.file.Doc.Text()
		if s.pkg != "" && filepath.Base(s.path) != "doc.go" {
			t.Errorf("%s: the package's comment belongs into doc.go", s.path)
		}
	}
	for dir := range packages {
		doc := docs[dir]
		if doc == "" {
			t.Errorf("%s: the package has no comment", dir)
			continue
		}
		if strings.HasPrefix(dir, "cmd/") {
			continue
		}
		for _, line := range []string{"\nOwns: ", "\nNever does: ", "\nStart at: "} {
			if !strings.Contains(doc, line) {
				t.Errorf("%s/doc.go: no line that begins with %q", dir, strings.TrimSpace(line))
			}
		}
	}
}

// opens are the files that open others themselves, and why a FIFO, a device or an endless file there does no harm.
var opens = map[string]string{
	"internal/regular/":               "it is the one place that opens what an agent can replace",
	"internal/host/":                  "files of the kernel and of the system",
	"internal/tmux/platform_linux.go": "files of the kernel",
	"internal/check/pane_":            "a terminal, opened without blocking",
	"internal/cast/main.go":           "a terminal, opened without blocking",
	"internal/cast/recorder.go":       "creates a new file",
	"internal/spec/spec.go":           "creates a new file",
	"internal/fleet/hand_message.go":  "creates a new file",
	"internal/git/fenced.go":          "creates a new file",
	"internal/daemon/fence.go":        "creates a new file",
	"internal/git/index.go":           "creates a new file",
	"internal/git/private.go":         "files of a directory that only muster writes in",
	"internal/git/freeze.go":          "files of a directory that only muster writes in",
	"internal/git/fill.go":            "files of a directory that only muster writes in",
	"internal/run/idle_linux.go":      "of the kernel",
	"internal/status/append.go":       "has flags of its own, and refuses all but a regular file",
	"internal/mail/bell.go":           "opens FIFOs, without blocking",
	"internal/replace/":               "creates new files, and syncs a directory",
	"internal/agent/sim/":             "a program of its own, which plays an agent",
	"internal/cli/verb_dispatch.go":   "a file that the user names, which may be a pipe",
	"internal/cli/verb_init.go":       "a file that the user names",
	"internal/cli/verb_replay.go":     "a file that the user names, which may be a pipe",
	"internal/intake/file.go":         "a file that the user names, which may be a pipe",
	"internal/service/service.go":     "a file of the user's service manager",
}

func TestFilesThatAnAgentCanReplaceAreReadByRegularAlone(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if isForTests(s) || s.room() == "testkit" || s.room() == "e2e" {
			continue
		}
		allowed := false
		for prefix := range opens {
			allowed = allowed || strings.HasPrefix(s.path, prefix)
		}
		if allowed {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				switch name := selector(sel); name {
				case "os.Open", "os.OpenFile", "os.ReadFile", "unix.Open", "syscall.Open", "ioutil.ReadFile":
					t.Errorf("%s: %s; use the package regular, or say in opens why not", where(n), name)
				}
			}
			return true
		})
	}
}

// TestTheAgentsSideBelievesOnlyWhatTheLogHas: hooks and verbs of agents use the mailbox of proof, because their own
// processes can write a file into it.
func TestTheAgentsSideBelievesOnlyWhatTheLogHas(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.room() != "agent" && s.room() != "inside" && s.room() != "cli" || isForTests(s) || s.path == "internal/agent/agent.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if selector(n) == "mail.Of" {
					t.Errorf("%s: mail.Of; use proof.Box", where(n))
				}
			case *ast.CompositeLit:
				if sel, ok := n.Type.(*ast.SelectorExpr); ok && selector(sel) == "mail.Box" {
					t.Errorf("%s: mail.Box; use proof.Box", where(n))
				}
			}
			return true
		})
	}
}

// readsOthersConfiguration are the files of package git with a call of git that reads a configuration which an agent may
// have written, and why no program can be run in it.
var readsOthersConfiguration = map[string]string{
	"internal/git/open.go":   "git rev-parse, which finds the checkout that a person stands in and runs nothing",
	"internal/git/config.go": "git config --list, which runs nothing",
	"internal/git/create.go": "a repository that was made a moment before, in which no agent has been",
}

func TestGitRunsInAPrivateGitDirectory(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, s := range sources(t) {
		if s.room() != "git" || isForTests(s) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if name := selector(n); strings.HasPrefix(name, "run.") && name != "run.LookPath" && s.path != "internal/git/exec.go" {
					t.Errorf("%s: %s; git is run by Reader.git, which sets its git directory", where(n), name)
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "native" {
					found[s.path] = true
					if readsOthersConfiguration[s.path] == "" {
						t.Errorf("%s: git reads a configuration that is not muster's; use a place or the view", where(n))
					}
				}
			case *ast.BasicLit:
				if strings.HasPrefix(n.Value, "\"GIT_DIR") && s.path != "internal/git/exec.go" && s.path != "internal/git/config.go" {
					t.Errorf("%s: sets GIT_DIR; use a place or the view", where(n))
				}
			}
			return true
		})
	}
	for path := range readsOthersConfiguration {
		if !found[path] {
			t.Errorf("%s reads no configuration of others any more: take it out of the list", path)
		}
	}
}

func TestFileLocksAreTakenByLockAlone(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.room() == "lock" {
			continue
		}
		for path, spec := range imports(s) {
			if strings.HasSuffix(path, "/flock") {
				t.Errorf("%s: imports %s; use lock", where(spec), path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				switch name := selector(sel); name {
				case "unix.Flock", "syscall.Flock", "unix.FcntlFlock", "syscall.FcntlFlock", "unix.Lockf":
					t.Errorf("%s: %s; use lock", where(n), name)
				}
			}
			return true
		})
	}
}

// variable matches a string that names one of muster's own variables.
var variable = regexp.MustCompile(`^MUSTER_[A-Z_]+=?$`)

func TestVariablesOfMusterAreNamedByEnvironAlone(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.room() == "environ" || isForTests(s) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, _ := strconv.Unquote(lit.Value)
			if ofSim := s.pkg == "agent/sim" && strings.HasPrefix(text, "MUSTER_SIM_"); variable.MatchString(text) && !ofSim {
				t.Errorf("%s: %s; use the name in environ", where(n), lit.Value)
			}
			return true
		})
	}
}

func TestOnlyMainExits(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.path == "cmd/muster/main.go" || s.path == "internal/testkit/proc/role.go" { // a test binary that plays a program
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				switch selector(sel) {
				case "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln", "syscall.Exit", "unix.Exit":
					t.Errorf("%s: %s; return an error", where(n), selector(sel))
				}
			}
			return true
		})
	}
}

func TestTheGroundFloorIsPure(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !slices.Contains([]string{"fault", "event", "permit", "life"}, s.room()) && s.pkg != "notify" {
			continue
		}
		for path, spec := range imports(s) {
			if slices.Contains(outside, path) {
				t.Errorf("%s: %s imports %s", where(spec), s.pkg, path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: %s starts a goroutine", where(n), s.pkg)
			case *ast.SelectorExpr:
				if id, ok := n.X.(*ast.Ident); ok && id.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%s: %s reads the clock", where(n), s.pkg)
				}
			}
			return true
		})
	}
}

func TestGoroutinesHaveAnOwner(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		_, may := goroutines[s.pkg]
		if may && (s.pkg != "daemon" || slices.Contains(startsGoroutines, filepath.Base(s.path))) || isForTests(s) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: %s starts a goroutine", where(n), s.pkg)
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" {
					t.Errorf("%s: %s starts a goroutine", where(n), s.pkg)
				}
			}
			return true
		})
	}
}

// isForTests reports whether a file belongs to a package that tests alone import, such as tmux/tmuxtest.
func isForTests(s source) bool { return s.room() == "testkit" || strings.HasSuffix(s.pkg, "test") }

// selector is x.y as text, where x is a plain name.
func selector(sel *ast.SelectorExpr) string {
	if id, ok := sel.X.(*ast.Ident); ok {
		return id.Name + "." + sel.Sel.Name
	}
	return ""
}

// TestPatternsAreCompiledAtTheirFirstUse: what a package compiles when the program starts, every hook pays for. The
// literals of text.Pattern are compiled here, because otherwise a mistake would show only at the first use.
func TestPatternsAreCompiledAtTheirFirstUse(t *testing.T) {
	t.Parallel()
	compiled := 0
	for _, s := range sources(t) {
		if isForTests(s) || s.room() == "testkit" || s.room() == "e2e" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			var name string
			switch fun := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = selector(fun)
			case *ast.Ident:
				name = s.pkg + "." + fun.Name
			}
			switch name {
			case "regexp.MustCompile", "regexp.MustCompilePOSIX":
				if s.path != "internal/text/pattern.go" {
					t.Errorf("%s: %s; use text.Pattern", where(n), name)
				}
			case "text.Pattern":
				expr, ok := literal(call.Args[0])
				if _, err := regexp.Compile(expr); err != nil || !ok {
					t.Errorf("%s: not a literal that can be compiled: %v", where(n), err)
				}
				compiled++
			}
			return true
		})
	}
	if compiled < 15 {
		t.Errorf("only %d calls of text.Pattern found", compiled)
	}
}

// literal returns the value of a string literal, or of several that are joined by +.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		left, ok := literal(e.X)
		right, also := literal(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}
