package tmux

import (
	"fmt"
	"strings"

	"muster/internal/fault"
)

// PaneID is the id of a pane, "%3". Ids are never used twice while a server lives, and mean nothing on the next one.
type PaneID string

// WindowID is the id of a window, "@2".
type WindowID string

// SessionID is the id of a session, "$1".
type SessionID string

// checkName refuses every name but [A-Za-z0-9_-]+: tmux expands names as formats, so that a session called
// "#(cmd)" runs cmd, and a name with '.' or ':' is another one than was asked for.
func checkName(what, name string) error {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}
	if name == "" || len(name) > 200 || strings.ContainsFunc(name, bad) {
		return fault.New(fault.Usage, "tmux %s name %q is not made of letters, digits, '_' and '-'", what, name)
	}
	return nil
}

// isID reports whether s is the sigil and a number.
func isID(sigil byte, s string) bool {
	if len(s) < 2 || len(s) > 20 || s[0] != sigil {
		return false
	}
	for _, r := range s[1:] {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}

// Check returns ErrNoPane unless id is a pane id, so that nothing else is ever passed to -t: an empty or partial target
// means some other pane to tmux.
func (id PaneID) Check() error {
	if !isID('%', string(id)) {
		return fmt.Errorf("pane id %q: %w", string(id), ErrNoPane)
	}
	return nil
}

// SessionTarget makes an exact target of a session id or name: a bare name would match by prefix. What is
// neither is fault.Usage.
func SessionTarget(s string) (string, error) {
	if isID('$', s) {
		return s, nil
	}
	if err := checkName("session", s); err != nil {
		return "", err
	}
	return "=" + s, nil
}

// quote makes one word of the control line from any text without NUL: literal in single quotes, but for
// line ends, which would end the command.
func quote(s string) string {
	if !strings.ContainsAny(s, "\n\r'") {
		return "'" + s + "'"
	}
	return "'" + strings.NewReplacer("'", `'\''`, "\n", `'"\n"'`, "\r", `'"\r"'`).Replace(s) + "'"
}

// line joins the words of one command for the control line. The command's name stays bare.
func line(args ...string) string {
	var b strings.Builder
	b.WriteString(args[0])
	for _, a := range args[1:] {
		b.WriteByte(' ')
		b.WriteString(quote(a))
	}
	return b.String()
}

// literal keeps tmux from expanding a text where it takes a format, such as a directory called "a#(b)".
func literal(s string) string { return strings.ReplaceAll(s, "#", "##") }

// program makes the words behind "--" from an argv. A single word would go through a shell: it gets one
// that execs exactly that word.
func program(argv []string) []string {
	if len(argv) == 1 {
		return []string{"exec '" + strings.ReplaceAll(argv[0], "'", `'\''`) + "'"}
	}
	return argv
}

// oneShotWords guards words for the command line of a client, where a trailing ';' separates commands.
func oneShotWords(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if strings.HasSuffix(a, ";") {
			a = a[:len(a)-1] + `\;`
		}
		out[i] = a
	}
	return out
}
