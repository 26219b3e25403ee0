package claude

import (
	"context"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/text"
)

// The agent reads instructions from CLAUDE.md and the like, and such a file may import others: @path. Before its first
// hook it asks whether a project may import files from outside its working directory, unless the entry of the main
// repository in the user's global file says so (measured with 2.1.197 and 2.1.332: an entry of the worktree does not
// count, an import of a file that does not exist does not ask, and the question is asked once).

const (
	// maxImports is how deep imports are followed, as the agent does.
	maxImports = 5
	// maxMemory bounds a file of instructions, in bytes.
	maxMemory = 1 << 20
)

// memoryFiles are the places of instructions in a directory, and in each directory above.
func memoryFiles() []string { return []string{"CLAUDE.md", "CLAUDE.local.md", ".claude/CLAUDE.md"} }

// checkImports returns an error if the agent would ask whether the project may import files from outside.
func checkImports(ctx context.Context, p agent.Preflight, env []string) error {
	u, err := readUser(env)
	if err != nil {
		return nil //nolint:nilerr // checkOnboarding has read it
	}
	root, err := mainRoot(p.Spec.Repo)
	if err != nil {
		root = agent.RealPath(p.Spec.Repo)
	}
	if entry := u.Projects[root]; entry.ImportsApproved || entry.ImportsShown {
		return nil
	}
	s := importScan{ctx: ctx, base: p.Base, home: environ.Get(env, "HOME"), worktree: filepath.Join(agent.RealPath(p.Home.WorktreesDir()), "t"), seen: map[string]bool{}}
	from, file := s.search(filepath.Join(configDir(env), "CLAUDE.md"))
	if file == "" {
		return nil
	}
	return fault.New(fault.Conflict, "agent %s: %s imports %s, which lies outside the worktree, and Claude Code would ask whether it may", p.Spec.Agent, from, file).
		WithHint("Run, and answer: %s   (or remove the import)", setupCommand(p, env))
}

// importScan looks for an import of a file outside a worktree that does not exist yet.
type importScan struct {
	ctx      context.Context //nolint:containedctx // of one call
	base     func(ctx context.Context, paths ...string) (map[string][]byte, error)
	home     string
	worktree string // where the worktree could be
	seen     map[string]bool
}

// search returns the first import from outside and the file that has it. The user's own instructions may import anything.
func (s *importScan) search(own string) (from, file string) {
	files, err := s.read(append(memoryFiles(), ".claude/rules")...)
	if err != nil {
		return "", "" // what can't be read beforehand is seen on the agent's screen
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".md") {
			if from, file := s.follow(filepath.Join(s.worktree, name), files[name], maxImports); file != "" {
				return from, file
			}
		}
	}
	for dir := filepath.Dir(s.worktree); ; dir = filepath.Dir(dir) {
		for _, name := range memoryFiles() {
			at := filepath.Join(dir, name)
			if content, err := agent.ReadSetup(at, maxMemory); err == nil && at != own {
				if from, file := s.follow(at, content, maxImports); file != "" {
					return from, file
				}
			}
		}
		if dir == filepath.Dir(dir) {
			return "", ""
		}
	}
}

// read returns files of the tree that the worktree will begin with.
func (s *importScan) read(paths ...string) (map[string][]byte, error) {
	if s.base == nil {
		return nil, nil
	}
	return s.base(s.ctx, paths...)
}

// follow looks at the imports of one file, and at those of the files that it imports.
func (s *importScan) follow(at string, content []byte, depth int) (from, file string) {
	if s.seen[at] || depth == 0 {
		return "", ""
	}
	s.seen[at] = true
	for _, target := range imports(string(content)) {
		target = s.resolve(at, target)
		inside, err := filepath.Rel(s.worktree, target)
		if err != nil || inside == ".." || strings.HasPrefix(inside, "../") {
			if info, err := os.Stat(target); err == nil && info.Mode().IsRegular() {
				return s.shown(at), target
			}
			continue
		}
		found, err := s.read(filepath.ToSlash(inside))
		if content, ok := found[filepath.ToSlash(inside)]; ok && err == nil {
			if from, file := s.follow(target, content, depth-1); file != "" {
				return from, file
			}
		}
	}
	return "", ""
}

// resolve returns the absolute path that an import of the file at names.
func (s *importScan) resolve(at, target string) string {
	if rest, ok := strings.CutPrefix(target, "~/"); ok && s.home != "" {
		return filepath.Join(s.home, rest)
	}
	if filepath.IsAbs(target) {
		return filepath.Clean(target)
	}
	return filepath.Join(filepath.Dir(at), target)
}

// shown returns the name of a file for a person.
func (s *importScan) shown(at string) string {
	if rel, err := filepath.Rel(s.worktree, at); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return at
}

var (
	notRead      = text.Pattern("(?s)<!--.*?-->|(?m:^[ \t]*```.*?^[ \t]*```)|(?m:^[ \t]*~~~.*?^[ \t]*~~~)|``.*?``|`[^`\n]*`")
	importInText = text.Pattern(`(?:^|\s)@((?:\\ |[^\s\\])+)`)
)

// imports returns the paths that a text imports; code and comments do not count.
func imports(text string) []string {
	var out []string
	for _, m := range importInText().FindAllStringSubmatch(notRead().ReplaceAllString(text, " "), -1) {
		target, _, _ := strings.Cut(strings.ReplaceAll(m[1], `\ `, " "), "#")
		if target != "" && path.Clean(target) != "." {
			out = append(out, target)
		}
	}
	return out
}
