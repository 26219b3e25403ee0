package permit

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// part is one simple command of a command line.
type part struct {
	words []string // their values; the source text of a word that the shell expands
	// text is its words, joined by spaces. A word with characters that mean something to a shell is quoted.
	text  string
	inner []part // the commands in its arguments, such as those of sh -c
	// denied are the texts that a rule which denies looks at: text, and what it runs if it is a wrapper.
	denied []string
	// plain reports whether the text says what will run. Otherwise the part cannot be allowed by its text.
	plain bool
	// wraps reports whether it runs the command that its arguments are, so that a pattern must name it to allow it.
	wraps bool
}

// line is a command line.
type line struct {
	parts  []part
	hidden string // the construct whose effect the text does not show; "" if there is none
}

// maxNesting bounds how deep commands in arguments of commands are read (sh -c 'sh -c …').
const maxNesting = 4

// wrappers are programs and builtins that run what their arguments say.
var wrappers = []string{
	"sh", "bash", "zsh", "dash", "ksh", "fish", "eval", "exec", "source", ".", "command", "builtin", "env", "xargs", "sudo", "doas", "su",
	"nohup", "setsid", "nice", "ionice", "time", "timeout", "stdbuf", "watch", "parallel", "script", "ssh", "find", "trap", "alias", "coproc",
}

// Commands returns the simple commands of a command line, each as its words: also those in substitutions, and what a wrapper
// such as env or sh -c runs. A word that the shell expands is its source text.
func Commands(command string) (out [][]string) {
	add := func(p part) {
		out = append(out, p.words)
		if p.wraps {
			for i := 1; i < len(p.words); i++ {
				out = append(out, p.words[i:])
			}
		}
	}
	for _, p := range readLine(command, 0).parts {
		add(p)
		for _, inner := range p.inner {
			add(inner)
		}
	}
	return out
}

// readLine parses a command line as bash does.
func readLine(command string, nesting int) line {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(command), "")
	if err != nil {
		return line{hidden: "text that is not valid for a shell"}
	}
	var l line
	syntax.Walk(file, func(n syntax.Node) bool {
		if what := hides(n); what != "" && l.hidden == "" {
			l.hidden = what
		}
		if call, ok := n.(*syntax.CallExpr); ok && len(call.Args) > 0 {
			l.parts = append(l.parts, readPart(call, nesting))
		}
		return true
	})
	return l
}

// hides describes a node whose effect the text of the command does not show; "" for a node that is known to be plain.
func hides(n syntax.Node) string {
	switch n := n.(type) {
	case nil, *syntax.File, *syntax.BinaryCmd, *syntax.Subshell, *syntax.Block, *syntax.Word, *syntax.SglQuoted,
		*syntax.DblQuoted, *syntax.Comment, *syntax.Lit, *syntax.IfClause, *syntax.WhileClause, *syntax.WordIter:
		return ""
	case *syntax.ForClause:
		if _, ok := n.Loop.(*syntax.WordIter); ok {
			return ""
		}
		return "an arithmetic loop"
	case *syntax.Stmt:
		if n.Coprocess || n.Disown {
			return "a coprocess"
		}
		return ""
	case *syntax.CallExpr:
		if len(n.Assigns) > 0 {
			return "an assignment to a variable"
		}
		return ""
	case *syntax.Assign:
		return "an assignment to a variable"
	case *syntax.Redirect:
		return hidesRedirect(n)
	case *syntax.ParamExp:
		if n.Excl || n.Length || n.Width || n.IsSet || n.Index != nil || n.Slice != nil || n.Repl != nil || n.Names != 0 || n.Exp != nil ||
			n.Flags != nil || n.NestedParam != nil || len(n.Modifiers) > 0 {
			return "an expansion that does more than to insert a variable"
		}
		return ""
	case *syntax.CmdSubst:
		return "a command substitution"
	case *syntax.ProcSubst:
		return "a process substitution"
	case *syntax.FuncDecl:
		return "a function"
	default:
		return "a construct of the shell that is not judged"
	}
}

// hidesRedirect describes a redirection to a file. The file may be a link that leads out of the worktree, so it is not
// judged. Reading a file, /dev/null and copies of descriptors are plain.
func hidesRedirect(r *syntax.Redirect) string {
	switch r.Op {
	case syntax.RdrIn, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		return ""
	case syntax.DplOut:
		if target := r.Word.Lit(); target != "" && strings.Trim(target, "0123456789-") == "" {
			return ""
		}
	default:
		if r.Word.Lit() == "/dev/null" {
			return ""
		}
	}
	return "a redirection into a file"
}

// readPart reads a simple command.
func readPart(call *syntax.CallExpr, nesting int) part {
	var words, raw []string
	p := part{plain: true}
	for i, w := range call.Args {
		value, fixed := wordValue(w)
		if i == 0 {
			p.plain = fixed && value != ""
		}
		raw = append(raw, value)
		if fixed {
			value = quoted(value)
		}
		words = append(words, value)
	}
	p.words, p.text = raw, strings.Join(words, " ")
	p.denied = []string{p.text}
	name := path.Base(raw[0])
	if name != raw[0] {
		p.denied = append(p.denied, strings.Join(append([]string{name}, words[1:]...), " "))
	}
	if p.wraps = slices.Contains(wrappers, name); p.wraps {
		for i := 1; i < len(raw); i++ {
			p.denied = append(p.denied, strings.Join(words[i:], " "))
			if nesting < maxNesting && strings.ContainsAny(raw[i], " \t\n;&|") {
				for _, inner := range readLine(raw[i], nesting+1).parts {
					p.denied, p.inner = append(p.denied, inner.denied...), append(append(p.inner, inner), inner.inner...)
				}
			}
		}
	}
	return p
}

// wordValue returns the value of a word and whether it is fixed. The value of a word that the shell expands is its
// source text.
func wordValue(w *syntax.Word) (string, bool) {
	var b strings.Builder
	for i, p := range w.Parts {
		switch p := p.(type) {
		case *syntax.Lit:
			value, fixed := litValue(p.Value, i == 0)
			if !fixed {
				return source(w), false
			}
			b.WriteString(value)
		case *syntax.SglQuoted:
			if p.Dollar {
				return source(w), false
			}
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			for _, q := range p.Parts {
				lit, ok := q.(*syntax.Lit)
				if !ok || p.Dollar {
					return source(w), false
				}
				b.WriteString(unescape(lit.Value, "$`\"\\\n"))
			}
		default:
			return source(w), false
		}
	}
	return b.String(), true
}

// litValue returns the value of unquoted text. Patterns, braces and a leading tilde are expanded by the shell.
func litValue(s string, first bool) (string, bool) {
	bare := strings.Builder{} // what is not escaped
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			continue
		}
		bare.WriteByte(s[i])
	}
	if strings.ContainsAny(bare.String(), "*?[{") || first && strings.HasPrefix(s, "~") {
		return s, false
	}
	return unescape(s, ""), true
}

// unescape removes the backslash before the given characters, or before all characters if there are none given. A
// backslash before a newline removes both.
func unescape(s, only string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (only == "" || strings.IndexByte(only, s[i+1]) >= 0) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// source returns the text of a word as it was written.
func source(w *syntax.Word) string {
	var b strings.Builder
	if syntax.NewPrinter().Print(&b, w) != nil {
		return ""
	}
	return b.String()
}

// quoted returns a word in single quotes if it has a character that means something to a shell.
func quoted(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n\r'\"\\$`;&|<>()*?[]{}!#~") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
