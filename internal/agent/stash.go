package agent

import (
	"path"
	"slices"
	"strings"
)

// StashRefusal is what an agent is told that wants to use the stash of its repository.
const StashRefusal = "Not run: `git stash` is one stack for all worktrees of this repository. It is shared with other agents and with a person, and " +
	"`pop`, `drop` or `clear` may take an entry of somebody else. Commit instead (`git add -A && git commit -m wip`, and later `git reset --soft HEAD~1`), " +
	"or write a patch outside the worktree (`git diff HEAD > /tmp/NAME.patch`, and later `git apply /tmp/NAME.patch`). `git stash list` and `git stash show` are allowed."

// ChangesStash reports whether a shell command would change the stash of its repository, as far as its words show that. It is
// made for agents that mean no harm: a command can hide from it.
func ChangesStash(command string) bool {
	return slices.ContainsFunc(simpleCommands(command), changesStash)
}

// beforeCommand are words that stand ahead of the name of a program.
var beforeCommand = []string{"then", "do", "else", "elif", "if", "while", "until", "!", "time", "command", "builtin", "env", "sudo", "nohup", "exec", "eval", "xargs"}

func changesStash(words []string) bool {
	for len(words) > 0 && (slices.Contains(beforeCommand, words[0]) || isAssignment(words[0])) {
		if words[0] == "eval" && len(words) > 1 && ChangesStash(strings.Join(words[1:], " ")) {
			return true
		}
		words = words[1:]
	}
	if len(words) < 2 {
		return false
	}
	switch path.Base(words[0]) {
	case "sh", "bash", "dash", "zsh":
		i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") && strings.HasSuffix(w, "c") })
		return i >= 0 && i+1 < len(words) && ChangesStash(words[i+1])
	case "git":
		return gitChangesStash(words[1:])
	}
	return false
}

// gitChangesStash looks at the arguments of git.
func gitChangesStash(args []string) bool {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if slices.Contains([]string{"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"}, args[0]) && len(args) > 1 {
			args = args[1:]
		}
		args = args[1:]
	}
	if len(args) == 0 || args[0] != "stash" {
		return false
	}
	return len(args) == 1 || !slices.Contains([]string{"list", "show", "create"}, args[1])
}

func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// simpleCommands splits a shell script into its simple commands, each as words without quotes. Command substitutions are
// commands of their own; comments and here-documents are left out.
func simpleCommands(script string) [][]string {
	s := shellScan{in: script}
	for s.at < len(s.in) {
		s.step()
	}
	s.endCommand()
	return s.commands
}

type shellScan struct {
	in       string
	at       int
	word     strings.Builder
	inWord   bool
	quoted   bool   // within double quotes
	outer    []bool // what quoted was outside of the parentheses around
	ticks    bool   // within backquotes
	words    []string
	commands [][]string
	here     []string // delimiters of the here-documents that begin behind this line
}

func (s *shellScan) endWord() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord = false
}

func (s *shellScan) endCommand() {
	s.endWord()
	if len(s.words) > 0 {
		s.commands = append(s.commands, s.words)
	}
	s.words = nil
}

// open starts a command within the one that is being read, and close ends it.
func (s *shellScan) open() {
	s.endCommand()
	s.outer = append(s.outer, s.quoted)
	s.quoted = false
}

func (s *shellScan) close() {
	s.endCommand()
	if n := len(s.outer); n > 0 {
		s.quoted, s.outer = s.outer[n-1], s.outer[:n-1]
	}
}

func (s *shellScan) add(text string) {
	s.word.WriteString(text)
	s.inWord = true
}

// step takes one character, or a longer piece that belongs together.
func (s *shellScan) step() {
	c, rest := s.in[s.at], s.in[s.at+1:]
	s.at++
	switch {
	case c == '\\':
		if rest != "" && rest[0] != '\n' {
			s.add(rest[:1])
		}
		s.at++
	case c == '"':
		s.quoted = !s.quoted
		s.inWord = true
	case c == '$' && strings.HasPrefix(rest, "("):
		s.at++
		s.open()
	case c == '`' && !s.ticks:
		s.ticks = true
		s.open()
	case c == '`':
		s.ticks = false
		s.close()
	case s.quoted:
		s.add(string(c))
	case c == '\'':
		text, _, _ := strings.Cut(rest, "'")
		s.add(text)
		s.at += len(text) + 1
	case c == '#' && !s.inWord:
		comment, _, _ := strings.Cut(rest, "\n")
		s.at += len(comment)
	case c == '<' && strings.HasPrefix(rest, "<") && !strings.HasPrefix(rest, "<<"):
		s.hereDocument(rest[1:])
	case c == '\n':
		s.endCommand()
		s.skipHere()
	case c == '(':
		s.open()
	case c == ')':
		s.close()
	case strings.IndexByte(";&|{}", c) >= 0:
		s.endCommand()
	case c == ' ' || c == '\t':
		s.endWord()
	default:
		s.add(string(c))
	}
}

// hereDocument notes the delimiter of a here-document.
func (s *shellScan) hereDocument(rest string) {
	s.at++
	delimiter := strings.TrimLeft(strings.TrimPrefix(rest, "-"), " \t")
	s.at += len(rest) - len(delimiter)
	if i := strings.IndexAny(delimiter, " \t\n;&|()<>"); i >= 0 {
		delimiter = delimiter[:i]
	}
	s.at += len(delimiter)
	s.here = append(s.here, strings.Trim(delimiter, `'"\`))
}

// skipHere skips the here-documents that begin here.
func (s *shellScan) skipHere() {
	for _, delimiter := range s.here {
		for s.at < len(s.in) {
			line, _, _ := strings.Cut(s.in[s.at:], "\n")
			s.at += len(line) + 1
			if strings.TrimSpace(line) == delimiter {
				break
			}
		}
	}
	s.at = min(s.at, len(s.in))
	s.here = nil
}
