package agent

import (
	"strings"

	"muster/internal/text"
)

// ownText matches the beginning of texts that muster sends to agents.
var ownText = text.Pattern(`^(\[muster m[0-9]+\]|Task t[0-9]+ \(muster\))`)

// IsOwnText reports whether the text in an agent's input is one of muster, which an interrupt may have put back there.
func IsOwnText(input string) bool { return ownText().MatchString(input) }

// Holds reports whether an agent's input, as its screen shows it, has all of the pasted texts and nothing else. White space does
// not count, because a screen breaks lines. In the place of a second text, which is long, the agent shows a placeholder.
func Holds(input string, texts []string, placeholder string) bool {
	if len(texts) == 0 {
		return false
	}
	squash := func(s string) string { return strings.Join(strings.Fields(s), "") }
	if len(texts) == 1 {
		return squash(input) == squash(texts[0])
	}
	return strings.HasPrefix(squash(input), squash(texts[0])) && strings.Contains(input, placeholder)
}

// BeforeEnter returns a text as it is typed ahead of Enter. Some agents take a backslash there for a line break, and send nothing; they
// remove a space between the two.
func BeforeEnter(text string) string {
	if strings.HasSuffix(text, `\`) {
		return text + " "
	}
	return text
}
