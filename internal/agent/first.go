package agent

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/text"
)

// Frame returns the first line of a generation's first prompt. It keeps the text from being an option or a command of the agent:
// `exit` alone would quit, `/cost` would open a panel.
func Frame(l Launch) string {
	if l.Resume {
		return fmt.Sprintf("Task %s (muster), taken up again:", l.Task)
	}
	return fmt.Sprintf("Task %s (muster):", l.Task)
}

// FirstPrompt returns the first prompt as an argument that begins with Frame, and the content of the prompt file.
func FirstPrompt(l Launch) (argument, file string) {
	words := l.Prompt
	if l.Resume {
		words = l.GoOn
		if strings.TrimSpace(words) == "" {
			words = "You were interrupted. Look at the state of your work, then continue with the task."
		}
	}
	words = WithMessages(text.Clean(words), l.Messages)
	argument = Frame(l) + "\n\n" + words
	if len(argument) <= MaxArgument {
		return argument, words
	}
	argument = fmt.Sprintf("%s\n\nThe text is too long for this message: it has %d bytes and is in the file %s. "+
		"Read that file first, all of it, and then do what it says.", Frame(l), len(words), PromptPath(l))
	// Taking this prompt delivers the messages in the file, so the argument must have their tags.
	for _, id := range Tags(words) {
		argument += "\n" + id.Tag() + " (in the file)"
	}
	return argument, words
}

// PromptParts returns the parts of the first prompt of a resumed conversation: the words to go on and each message. A prompt that
// is in a file has one part.
func PromptParts(l Launch, argument string) []string {
	bare := l
	bare.Messages = nil
	first, _ := FirstPrompt(bare)
	parts := []string{strings.TrimRight(first, "\n")}
	for _, m := range l.Messages {
		parts = append(parts, Tagged(m))
	}
	if strings.Join(parts, "\n\n") != strings.TrimRight(argument, "\n") {
		return []string{argument}
	}
	return parts
}

// LookPath returns the path of a program. A relative path is below dir, and a bare word is on the PATH.
func LookPath(program, dir string, env []string) (string, error) {
	if strings.Contains(program, "/") && !filepath.IsAbs(program) {
		program = filepath.Join(dir, program)
	}
	return run.LookPath(program, env)
}

// FindProgram returns the program of an agent with the arguments of a wrapper, if any: command of [agents.NAME] replaces the
// name. install is the command that installs it.
func FindProgram(spec event.Spec, env []string, name, install string) ([]string, error) {
	words := slices.Clone(spec.Command)
	if len(words) == 0 {
		words = []string{name}
	}
	path, err := run.LookPath(words[0], env)
	if err != nil {
		return nil, fault.Wrap(fault.Conflict, err, "agent %s: no program %s", spec.Agent, words[0]).WithHint("Run: %s", install)
	}
	words[0] = path
	return words, nil
}
