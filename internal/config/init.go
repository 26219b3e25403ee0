package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/regular"
)

// Init examines the project in dir and proposes a muster.toml for it: the content, and notes for people on what was
// found. It writes nothing to disk. Every proposal is a line that the project's owner can read.
func Init(dir string) (content string, notes []string) {
	p := proposal{dir: dir}
	p.goModule()
	p.node()
	p.cargo()
	p.python()
	p.makefile()
	if len(p.checks) == 0 {
		p.note("no build or test commands found: add the project's own under [checks]")
	}
	return p.render(), p.notes
}

// proposal is the file as far as Init has proposed it.
type proposal struct {
	dir    string
	checks []proposedCheck
	setup  []string
	notes  []string
}

type proposedCheck struct {
	name, run string
	onEdit    bool
}

func (p *proposal) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// add proposes a check. If two languages propose the same name, the later one gets its language as a suffix.
func (p *proposal) add(language, name, run string, onEdit bool) {
	taken := func(n string) bool {
		return slices.ContainsFunc(p.checks, func(c proposedCheck) bool { return c.name == n })
	}
	if taken(name) {
		if name += "-" + language; taken(name) {
			return
		}
	}
	p.checks = append(p.checks, proposedCheck{name, run, onEdit})
}

// file returns the text of a file of the project. ok is false if there is none that can be read.
func (p *proposal) file(name string) (text string, ok bool) {
	path := filepath.Join(p.dir, name)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return "", false
	}
	data, err := regular.ReadFollow(path, maxFile)
	return string(data), err == nil
}

func (p *proposal) has(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		_, err := os.Stat(filepath.Join(p.dir, n))
		return err == nil
	})
}

func (p *proposal) goModule() {
	if !p.has("go.mod") {
		return
	}
	p.note("go.mod: go build and go test")
	p.add("go", "build", "go build ./...", true)
	p.add("go", "test", "go test ./...", false)
	if p.has(".golangci.yml", ".golangci.yaml", ".golangci.toml", ".golangci.json") {
		p.note(".golangci.*: golangci-lint")
		p.add("go", "lint", "golangci-lint run", false)
		return
	}
	p.add("go", "vet", "go vet ./...", false)
}

// packageJSON is the part of a package.json that Init reads.
type packageJSON struct {
	Scripts         map[string]string `json:"scripts"`
	Dependencies    map[string]string `json:"dependencies"`
	DevDependencies map[string]string `json:"devDependencies"`
}

func (p *proposal) node() {
	text, ok := p.file("package.json")
	if !ok {
		return
	}
	var pkg packageJSON
	if err := json.Unmarshal([]byte(text), &pkg); err != nil {
		p.note("package.json: not read, it is no JSON we know (%v)", err)
		return
	}
	tool := "npm"
	switch {
	case p.has("pnpm-lock.yaml"):
		tool = "pnpm"
		p.setup = append(p.setup, "pnpm install --frozen-lockfile")
	case p.has("yarn.lock"):
		tool = "yarn"
		p.setup = append(p.setup, "yarn install --frozen-lockfile")
	case p.has("bun.lock", "bun.lockb"):
		tool = "bun"
		p.setup = append(p.setup, "bun install --frozen-lockfile")
	case p.has("package-lock.json", "npm-shrinkwrap.json"):
		p.setup = append(p.setup, "npm ci")
	case len(pkg.Dependencies)+len(pkg.DevDependencies) > 0:
		p.setup = append(p.setup, "npm install")
	}
	var found []string
	for _, name := range []string{"build", "typecheck", "test", "lint"} {
		script, ok := pkg.Scripts[name]
		if !ok || strings.Contains(script, "no test specified") {
			continue
		}
		found = append(found, name)
		p.add("node", name, tool+" run "+name, name == "typecheck")
	}
	_, dep := pkg.Dependencies["typescript"]
	_, dev := pkg.DevDependencies["typescript"]
	if (dep || dev) && p.has("tsconfig.json") && !slices.Contains(found, "typecheck") {
		found = append(found, "typecheck by tsc")
		p.add("node", "typecheck", "node_modules/.bin/tsc --noEmit", true)
	}
	if len(found) == 0 {
		found = []string{"no scripts named build, typecheck, test or lint"}
	}
	p.note("package.json (%s): %s", tool, strings.Join(found, ", "))
}

func (p *proposal) cargo() {
	if !p.has("Cargo.toml") {
		return
	}
	p.note("Cargo.toml: cargo check and cargo test")
	p.add("rust", "build", "cargo check --all-targets", true)
	p.add("rust", "test", "cargo test", false)
}

func (p *proposal) python() {
	text, ok := p.file("pyproject.toml")
	if !ok {
		return
	}
	prefix := ""
	switch {
	case p.has("uv.lock"):
		prefix = "uv run "
		p.setup = append(p.setup, "uv sync --frozen")
	case p.has("poetry.lock"):
		prefix = "poetry run "
		p.setup = append(p.setup, "poetry install")
	}
	var found []string
	for _, tool := range []struct {
		name, run string
		use       bool
	}{
		{"types", "mypy .", strings.Contains(text, "[tool.mypy")},
		{"test", "pytest", strings.Contains(text, "pytest") || p.has("tests", "test")},
		{"lint", "ruff check .", strings.Contains(text, "[tool.ruff")},
	} {
		if tool.use {
			found = append(found, tool.name)
			p.add("python", tool.name, prefix+tool.run, false)
		}
	}
	if len(found) == 0 {
		found = []string{"no mypy, pytest or ruff"}
	}
	p.note("pyproject.toml: %s", strings.Join(found, ", "))
}

// makefile proposes the targets whose names no language has proposed, because a Makefile often only wraps the
// commands of a language.
func (p *proposal) makefile() {
	text, ok := p.file("Makefile")
	if !ok {
		return
	}
	var found []string
	for line := range strings.Lines(text) {
		targets, rest, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok || strings.HasPrefix(rest, "=") || strings.HasPrefix(line, "\t") {
			continue
		}
		for _, t := range strings.Fields(targets) {
			if slices.Contains([]string{"build", "test", "lint", "check"}, t) && !slices.Contains(found, t) {
				found = append(found, t)
			}
		}
	}
	for _, name := range found {
		if !slices.ContainsFunc(p.checks, func(c proposedCheck) bool { return c.name == name }) {
			p.add("make", name, "make "+name, false)
		}
	}
	if len(found) > 0 {
		p.note("Makefile: %s", strings.Join(found, ", "))
	}
}

func (p *proposal) render() string {
	var b strings.Builder
	b.WriteString(`# How muster works on this project. Every key is optional; muster config show prints what is in force.

[task]
agent = "claude"
# base = "main"          # default: the branch checked out
publish = "branch"       # none | branch | push | pr | merge
timeout = "3h"
rounds = 5               # rounds of checks before the task is parked

# What passes these is done. Each runs in the task's worktree, in this order, when the agent ends its turn;
# on = "edit" runs it also right after each edit, so that a compiler's words reach the agent at once.
[checks]
`)
	for _, c := range p.checks {
		if c.onEdit {
			fmt.Fprintf(&b, "%s = { run = %s, on = \"edit\" }\n", c.name, quote(c.run))
			continue
		}
		fmt.Fprintf(&b, "%s = { run = %s, timeout = \"20m\" }\n", c.name, quote(c.run))
	}
	if len(p.checks) == 0 {
		b.WriteString("# test = \"./test.sh\"\n")
	}
	b.WriteString("\n[workspace]\n")
	if len(p.setup) > 0 {
		fmt.Fprintf(&b, "setup = %s   # once in each new worktree\n", quote(strings.Join(p.setup, " && ")))
	} else {
		b.WriteString("# setup = \"./setup.sh\"   # once in each new worktree\n")
	}
	if p.has(".env") {
		p.note(".env: agents do not get it unless you allow it under [workspace] copy")
	}
	b.WriteString(`# copy = [".env"]        # files that git does not carry

# What agents and checks may use of the machine: their worktree and the system's programs, and nothing else of yours.
# A machine that cannot enforce it refuses the task; muster doctor says what is missing.
[fence]
mode = "on"

[agents.claude]
args = ["--permission-mode", "acceptEdits"]
# env_from = ["ANTHROPIC_API_KEY"]   # secrets are named here and never written here
`)
	return b.String()
}
