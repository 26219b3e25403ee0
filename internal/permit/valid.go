package permit

import (
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"mvdan.cc/sh/v3/syntax"

	"muster/internal/event"
	"muster/internal/fault"
)

// Check returns a fault.Usage for a rule that is contradictory or that can never match. kinds are the kinds of agents, which
// may stand before the name of a tool.
func Check(r event.PermissionRule, kinds []string) error {
	for _, check := range []func() error{
		func() error { return checkTool(r, kinds) },
		func() error { return checkCommand(r) },
		func() error { return checkPath(r) },
		func() error { return checkAction(r) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func checkTool(r event.PermissionRule, kinds []string) error {
	if r.Tool == "" || slices.Contains(event.ToolClasses(), event.ToolClass(r.Tool)) {
		return nil
	}
	before, name, colon := strings.Cut(r.Tool, ":")
	if colon && name != "" && (before == string(event.ToolMCP) || slices.Contains(kinds, before)) {
		return nil
	}
	var all []string
	for _, c := range event.ToolClasses() {
		all = append(all, string(c))
	}
	return fault.New(fault.Usage, "tool %q is unknown, so the rule would never match", r.Tool).
		WithHint(`Write one of %s, or a tool of an agent or an MCP server, such as %q or "mcp:github/*".`, strings.Join(all, ", "), example(kinds))
}

// example returns a rule's name for a tool of an agent.
func example(kinds []string) string {
	if len(kinds) == 0 {
		return "mcp:search/query"
	}
	return kinds[0] + ":WebFetch"
}

func checkCommand(r event.PermissionRule) error {
	if r.Command == "" {
		return nil
	}
	if r.Tool != string(event.ToolRun) {
		return fault.New(fault.Usage, "command is for tool = \"run\", and the rule is for %q", r.Tool).WithHint(`Write tool = "run".`)
	}
	if strings.TrimSpace(r.Command) != r.Command || strings.Contains(r.Command, "  ") {
		return fault.New(fault.Usage, "command %q has white space that no command has, so the rule would never match", r.Command).
			WithHint("Put one space between words, and none around them.")
	}
	// The stars are replaced by a word, so that the parser sees a pattern as it sees a command.
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(strings.ReplaceAll(r.Command, "*", "x")), "")
	if err != nil || len(file.Stmts) != 1 || !simple(file.Stmts[0]) {
		return fault.New(fault.Usage, "command %q is not one simple command, so the rule would never match", r.Command).
			WithHint("Each part between && || ; | & is judged by itself: write a rule for each.")
	}
	return nil
}

func simple(s *syntax.Stmt) bool {
	call, ok := s.Cmd.(*syntax.CallExpr)
	return ok && len(s.Redirs) == 0 && !s.Background && !s.Negated && len(call.Assigns) == 0
}

func checkPath(r event.PermissionRule) error {
	if r.Path == "" {
		return nil
	}
	if r.Tool != string(event.ToolEdit) && r.Tool != string(event.ToolRead) {
		return fault.New(fault.Usage, "path is for tool = \"edit\" or \"read\", and the rule is for %q", r.Tool).
			WithHint(`Write tool = "edit" or tool = "read".`)
	}
	if !doublestar.ValidatePattern(r.Path) {
		return fault.New(fault.Usage, "path %q is not a valid pattern", r.Path).WithHint(`Write it like "docs/**" or "*.md".`)
	}
	if path.Clean(r.Path) != r.Path || r.Path == ".." || strings.HasPrefix(r.Path, "../") || strings.HasPrefix(r.Path, "~") {
		return fault.New(fault.Usage, "path %q matches no file, so the rule would never match", r.Path).
			WithHint(`Write it relative to the worktree, such as "docs/**", or absolute; without ./ .. ~ and a slash at the end.`)
	}
	return nil
}

func checkAction(r event.PermissionRule) error {
	switch r.Action {
	case event.PermissionAllow, event.PermissionDeny, event.PermissionAsk:
	case "":
		return fault.New(fault.Usage, "the rule has no action").WithHint(`Write action = "allow", "deny" or "ask".`)
	default:
		return fault.New(fault.Usage, "action is %q", r.Action).WithHint(`It is "allow", "deny" or "ask".`)
	}
	if r.Action == event.PermissionAllow && r.Tool == string(event.ToolQuestion) {
		return fault.New(fault.Usage, "a question cannot be allowed").
			WithHint(`To take the option that the agent recommends: action = "ask", wait = "1s", default = "recommended".`)
	}
	if r.Action != event.PermissionAsk && (r.Wait != 0 || r.Default != "") {
		return fault.New(fault.Usage, "wait and default are for action = \"ask\"").WithHint("Leave them out, or ask.")
	}
	if r.Default == event.DefaultRecommended && r.Tool != string(event.ToolQuestion) {
		return fault.New(fault.Usage, "default = \"recommended\" is for tool = \"question\"").WithHint(`Write default = "deny" or "park".`)
	}
	if r.Reason != "" && r.Action != event.PermissionDeny && r.Default != event.DefaultDeny {
		return fault.New(fault.Usage, "a reason is told with a denial only").WithHint("Leave it out.")
	}
	return nil
}
