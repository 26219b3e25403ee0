package tmux

import (
	"fmt"
	"strings"

	"muster/internal/fault"
)

// PaneID is the id of a pane, "%3". A server never reuses an id, and an id is meaningless to another server.
type PaneID string

// WindowID is the id of a window, "@2".
type WindowID string

// SessionID is the id of a session, "$1".
type SessionID string

// checkName returns an error for every name but [A-Za-z0-9_-]+. tmux expands names as formats, so that a session
// called "#(cmd)" runs cmd, and it changes names with '.' or ':'.
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

// Check returns ErrNoPane unless id is a pane id. It must be called before -t, because tmux reads an empty or partial
// target as some other pane.
func (id PaneID) Check() error {
	if !isID('%', string(id)) {
		return fmt.Errorf("pane id %q: %w", string(id), ErrNoPane)
	}
	return nil
}

// SessionTarget returns an exact target for a session id or name; tmux matches a bare name by prefix. Anything else
// is a fault.Usage.
func SessionTarget(s string) (string, error) {
	if isID('$', s) {
		return s, nil
	}
	if err := checkName("session", s); err != nil {
		return "", err
	}
	return "=" + s, nil
}

// quote quotes text without NUL as one word of a control line: in single quotes, except for line ends, which would
// end the command.
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

// literal escapes text where tmux expects a format, such as a directory called "a#(b)". tmux does not
// expand signs before a [, which begin a style: they stay as they are.
func literal(s string) string {
	var b strings.Builder
	for s != "" {
		rest := strings.TrimLeft(s, "#")
		signs := s[:len(s)-len(rest)]
		b.WriteString(signs)
		if !strings.HasPrefix(rest, "[") {
			b.WriteString(signs)
		}
		n := strings.IndexByte(rest, '#')
		if n < 0 {
			n = len(rest)
		}
		b.WriteString(rest[:n])
		s = rest[n:]
	}
	return b.String()
}

// program returns the arguments after "--" for an argv. tmux runs a single argument by a shell, so it becomes a shell
// command that execs exactly that word.
func program(argv []string) []string {
	if len(argv) == 1 {
		return []string{"exec " + shellWord(argv[0])}
	}
	return argv
}

// recorder returns the shell command that becomes a recorder. tmux expands it first, as a format and as a time, and its releases
// differ in how a # is escaped there. So the shell makes those characters.
func recorder(argv []string) string {
	made := strings.NewReplacer("#", `'"$(printf '\043')"'`, "%", `'"$(printf '\045')"'`)
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = made.Replace(shellWord(a))
	}
	return "exec " + strings.Join(words, " ") + " #{pane_pid} '#{pane_tty}' #{pane_width}x#{pane_height}"
}

func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// oneShotWords escapes arguments for a client's command line, in which a trailing ';' separates commands.
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
