package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/permit"
	"muster/internal/regular"
)

// rulesName is the file of a task's rules in home.Gen.RO, for hooks. It exists only if the task has rules. The supervisor
// decides by the rules of the log.
const rulesName = "rules.json"

// maxRules bounds the file, in bytes.
const maxRules = 1 << 20

// RuleFiles returns the file of a task's rules.
func RuleFiles(rules []event.PermissionRule) []File {
	b, err := json.Marshal(rules)
	if err != nil || len(rules) == 0 { // texts and numbers can be encoded
		return nil
	}
	return []File{{Path: rulesName, Data: b, Mode: 0o600}}
}

// Rules returns the rules for a hook of a generation; none if its task has none.
func Rules(files home.Gen) (rules []event.PermissionRule) {
	b, err := regular.Read(filepath.Join(files.RO(), rulesName), maxRules)
	if err != nil {
		return nil
	}
	_ = json.Unmarshal(b, &rules)
	return rules
}

// Describer is an adapter that knows what the tools of its agent do. Rules about commands and files need it.
type Describer interface {
	// Use describes one use of a tool by its name and its input, which may be cut. Paths are as the agent wrote them.
	Use(tool string, input []byte) event.ToolUse
}

// Describe returns one use of a tool as rules see it, with the agent's own name of the tool and with its paths resolved.
func Describe(ad Adapter, tool string, input []byte, worktree string) event.ToolUse {
	use := event.ToolUse{Class: event.ToolOther}
	if d, ok := ad.(Describer); ok {
		use = d.Use(tool, input)
	}
	use.Names = append([]string{ad.Facts().Kind + ":" + tool}, use.Names...)
	paths := use.Paths
	use.Paths = nil
	for _, p := range paths {
		use.Paths = append(use.Paths, resolve(worktree, p))
	}
	return use
}

// RuleDecides reports whether a rule of a generation denies the use of a tool or asks a person, although the agent's own settings
// may allow it: the hook must then ask. The supervisor decides, which has the rules itself.
func RuleDecides(files home.Gen, ad Adapter, tool string, input []byte, worktree string) bool {
	rules := Rules(files)
	if len(rules) == 0 {
		return false
	}
	v := permit.Judge(rules, Describe(ad, tool, input, worktree))
	return v.Why == "" && (v.Action == event.PermissionDeny || v.Action == event.PermissionAsk)
}

// resolve returns the file that a path leads to, also by symbolic links: relative to the worktree if it is in it, otherwise
// absolute. The file need not exist.
func resolve(worktree, path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(worktree, path)
	}
	path, root := RealPath(filepath.Clean(path)), RealPath(worktree)
	if rest, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rest) {
		return filepath.ToSlash(rest)
	}
	return filepath.ToSlash(path)
}

// maxLinks bounds how many links to files that do not exist are followed, one after another.
const maxLinks = 40

// RealPath resolves the symbolic links of a path, which need not exist. A link to a file that does not exist leads to that file:
// who writes there creates it.
func RealPath(path string) string { return realPath(path, maxLinks) }

func realPath(path string, links int) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	dir, base := filepath.Split(filepath.Clean(path))
	if dir == "" || base == "" {
		return path
	}
	path = filepath.Join(realPath(filepath.Clean(dir), links), base)
	target, err := os.Readlink(path)
	if err != nil || links == 0 {
		return path
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return realPath(target, links-1)
}

// MCPName returns the name of a tool of an MCP server as rules have it, for agents that name it prefix, server, __ and tool; ""
// for another tool.
func MCPName(prefix, tool string) string {
	rest, ok := strings.CutPrefix(tool, prefix)
	server, name, two := strings.Cut(rest, "__")
	if !ok || !two {
		return ""
	}
	return string(event.ToolMCP) + ":" + server + "/" + name
}
