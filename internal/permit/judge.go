package permit

import (
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"muster/internal/event"
)

// Verdict is what the rules say about the use of a tool.
type Verdict struct {
	// Action is "" if no rule matches.
	Action event.PermissionAction
	// Rule is the rule that decided. It is the zero value if no rule matches, or if a rule would allow what cannot be
	// judged.
	Rule event.PermissionRule
	// Why says why the use could not be judged, although a rule matches it; "" otherwise.
	Why string
}

// Judge returns the verdict of the first matching rules. A use with several parts (the simple commands of a command line,
// the files of an edit) is denied if one part is, and allowed only if all are.
func Judge(rules []event.PermissionRule, use event.ToolUse) Verdict {
	rules = forTool(rules, use)
	if len(rules) == 0 {
		return Verdict{}
	}
	if use.Class == event.ToolRun {
		return judgeCommand(rules, use.Command)
	}
	if len(use.Paths) == 0 {
		return first(rules, func(r event.PermissionRule) bool { return r.Path == "" && r.Command == "" })
	}
	all := make([]Verdict, len(use.Paths))
	for i, file := range use.Paths {
		all[i] = first(rules, func(r event.PermissionRule) bool { return r.Command == "" && matchesPath(r.Path, file) })
	}
	return together(all)
}

// forTool returns the rules that are about a tool.
func forTool(rules []event.PermissionRule, use event.ToolUse) (out []event.PermissionRule) {
	for _, r := range rules {
		if matchesTool(r.Tool, use) {
			out = append(out, r)
		}
	}
	return out
}

func matchesTool(tool string, use event.ToolUse) bool {
	if tool == "" || tool == string(use.Class) {
		return true
	}
	if !strings.Contains(tool, ":") {
		return false
	}
	for _, name := range use.Names {
		if glob(tool, name) {
			return true
		}
	}
	return false
}

func judgeCommand(rules []event.PermissionRule, command string) Verdict {
	l := readLine(command, 0)
	all := make([]Verdict, len(l.parts))
	for i, p := range l.parts {
		all[i] = first(rules, func(r event.PermissionRule) bool { return matchesCommand(r, p) })
	}
	v := together(all)
	if len(l.parts) == 0 { // nothing that can be read: only a rule for every command matches
		v = first(rules, func(r event.PermissionRule) bool { return r.Command == "" && r.Path == "" })
	}
	if v.Action == event.PermissionDeny || l.hidden == "" || everything(rules) {
		return v
	}
	if len(rules) > 0 && (v.Action == event.PermissionAllow || v.Action == "") {
		return Verdict{Action: event.PermissionAsk, Why: "it has " + l.hidden}
	}
	return v
}

// everything reports whether the first rule about commands is about every command, so that none has to be read.
func everything(rules []event.PermissionRule) bool {
	for _, r := range rules {
		if r.Path == "" {
			return r.Command == ""
		}
	}
	return false
}

func matchesCommand(r event.PermissionRule, p part) bool {
	switch {
	case r.Path != "":
		return false
	case r.Command == "":
		return true
	case r.Action == event.PermissionAllow:
		if !p.plain || p.wraps && !strings.HasPrefix(r.Command, firstWord(p.text)) {
			return false
		}
		return glob(r.Command, p.text)
	}
	for _, text := range p.denied {
		if glob(r.Command, text) {
			return true
		}
	}
	return false
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// first returns the verdict of the first rule that matches.
func first(rules []event.PermissionRule, matches func(event.PermissionRule) bool) Verdict {
	for _, r := range rules {
		if matches(r) {
			return Verdict{Action: r.Action, Rule: r}
		}
	}
	return Verdict{}
}

// together returns the verdict about several parts: the strictest of them. Parts without a rule are stricter than
// allowed ones.
func together(all []Verdict) Verdict {
	var out Verdict
	for i, v := range all {
		if i == 0 || strictness(v.Action) > strictness(out.Action) {
			out = v
		}
	}
	return out
}

func strictness(a event.PermissionAction) int {
	switch a {
	case event.PermissionAllow:
		return 0
	case event.PermissionAsk:
		return 2
	case event.PermissionDeny:
		return 3
	default:
		return 1
	}
}

// glob reports whether a pattern matches a whole text. A * matches any characters; every other character is itself.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	last := len(parts) - 1
	if !strings.HasPrefix(s, parts[0]) || !strings.HasSuffix(s[len(parts[0]):], parts[last]) {
		return false
	}
	s = s[len(parts[0]) : len(s)-len(parts[last])]
	for _, p := range parts[1:last] {
		at := strings.Index(s, p)
		if at < 0 {
			return false
		}
		s = s[at+len(p):]
	}
	return true
}

// matchesPath reports whether a pattern matches a file. A relative pattern matches only files of the worktree, and an
// absolute one only files outside of it.
func matchesPath(pattern, file string) bool {
	if pattern == "" {
		return true
	}
	if strings.HasPrefix(pattern, "/") != strings.HasPrefix(file, "/") {
		return false
	}
	ok, err := doublestar.Match(pattern, file)
	return ok && err == nil
}
