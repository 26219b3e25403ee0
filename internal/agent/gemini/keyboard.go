package gemini

import (
	"encoding/json"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

// Messages are pasted into the idle agent: nothing else brings one to it.

// channel delivers messages to the agent.
type channel struct{ agent.Pasted }

// plainLines and plainChars bound a text that is shown in the input as it is. The agent replaces a longer paste by a placeholder,
// and certainly one of more than longPaste characters.
const (
	plainLines  = 4
	plainChars  = 400
	longPaste   = 600
	placeholder = "[Pasted Text: "
)

// Typed implements agent.Channel. A long text is a paste of its own, which the input shows as a placeholder. Spaces at the end,
// which the agent removes, make it long enough for that.
func (channel) Typed(m mail.Message) []string {
	words := agent.BeforeEnter(plainAt(strings.TrimRight(agent.Words(m), "\n\t ")))
	if strings.Count(words, "\n") < plainLines && len(words) <= plainChars {
		return []string{m.ID.Tag() + " " + words}
	}
	if short := longPaste - len([]rune(words)); short > 0 {
		words += strings.Repeat(" ", short)
	}
	return []string{m.ID.Tag() + " ", words}
}

// outsideFile matches an "@" by which the agent would read a file outside of the worktree, and open a dialog if there is one.
var outsideFile = text.Pattern(`@("?(?:/|~|\.\./|\.\.$))`)

// plainAt returns a text in which no "@" makes the agent ask whether it may read a file: a space follows it.
func plainAt(words string) string { return outsideFile().ReplaceAllString(words, "@ $1") }

var (
	styles = text.Pattern("\x1b\\[[0-9;:]*m")
	// turnLine matches the line of a running turn.
	turnLine = text.Pattern(`^ ?[⠁-⣿] .*\(esc to cancel`)
	// inputLine matches the first line of the input. The mark is that of the mode.
	inputLine = text.Pattern(`^ ([*>!])( |$)`)
	// hint is what an empty input shows, behind the cursor.
	hint = "Type your message or @path/to/file"
)

// aboveInput is how many lines above the input may have the line of a running turn.
const aboveInput = 8

// Posture implements agent.Channel. It reads the screen: the agent keeps no file about its input. The fleet asks only after
// the agent's own records said that its turn is over.
func (channel) Posture(_ agent.Launch, _ int, screen string, texts []string) agent.Posture {
	lines := strings.Split(styles().ReplaceAllString(screen, ""), "\n")
	begin, end := box(lines)
	if begin < 0 {
		return agent.PostureDialog // the input is hidden by whatever takes the keys
	}
	for _, line := range lines[max(0, begin-aboveInput):begin] {
		if turnLine().MatchString(line) {
			return agent.PostureBusy
		}
	}
	input := strings.TrimSpace(strings.Join(lines[begin+1:end], "\n"))
	input = strings.TrimSpace(input[1:]) // without the mark
	switch {
	case strings.HasPrefix(strings.TrimSpace(lines[begin+1]), "!"):
		return agent.PostureDraft // a person has opened a shell
	case input == "" || input == hint:
		return agent.PostureReady
	case agent.Holds(input, texts, placeholder):
		return agent.PostureTyped
	case agent.IsOwnText(input):
		return agent.PostureStale
	}
	return agent.PostureDraft
}

// box returns the lines of the borders of the input, which is the last box on the screen and stands above the last lines; -1 if
// there is none.
func box(lines []string) (begin, end int) {
	const footer = 6 // lines
	begin = -1
	isBorder := func(line, c string) bool {
		line = strings.TrimSpace(line)
		return len(line) > 0 && strings.Trim(line, c) == ""
	}
	for i, line := range lines {
		switch {
		case isBorder(line, "▄") && i+1 < len(lines) && inputLine().MatchString(lines[i+1]):
			begin, end = i, -1
		case isBorder(line, "▀") && begin >= 0 && end < 0:
			end = i
		}
	}
	if begin < 0 || end < 0 {
		return -1, -1
	}
	rest := 0
	for i, line := range lines[end+1:] {
		if strings.TrimSpace(line) != "" {
			rest = i + 1
		}
	}
	if rest > footer || rest == 0 {
		return -1, -1
	}
	return begin, end
}

// Delivered implements agent.Channel. A message is in the conversation once the transcript has it as the user's words.
func (channel) Delivered(l agent.Launch, m event.MessageID) (agent.Delivery, error) {
	return agent.DeliveredIn(transcriptOf(l), m, func(line []byte) string {
		var t transcriptLine
		if json.Unmarshal(line, &t) != nil {
			return ""
		}
		return t.prompt()
	})
}
