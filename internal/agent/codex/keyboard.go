package codex

import (
	"encoding/json"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

// Messages are pasted into the idle agent. The agent has a queue of its own (`codex queue`), which needs no key, but
// version 0.171.0 stops working through it after a turn that was interrupted, and nothing takes a message out of it again:
// it would arrive a second time whenever a person types something.

// channel delivers messages to the agent.
type channel struct{ agent.Pasted }

// plainLines and plainChars bound a text that is shown in the input as it is. The agent replaces a paste of more than
// largePaste characters by a placeholder.
const (
	plainLines = 8
	plainChars = 600
	largePaste = 1000
)

// Typed implements agent.Channel. A long text is a paste of its own: the placeholder of it stands in the input at once,
// where its beginning would scroll away. Spaces at the end, which the agent removes, make it long enough for that.
func (channel) Typed(m mail.Message) []string {
	text := strings.TrimRight(agent.Words(m), "\n\t ")
	if strings.Count(text, "\n") < plainLines && len(text) <= plainChars {
		return []string{m.ID.Tag() + " " + text}
	}
	if short := largePaste + 100 - len([]rune(text)); short > 0 {
		text += strings.Repeat(" ", short)
	}
	return []string{m.ID.Tag() + " ", text}
}

// Posture implements agent.Channel. It reads the screen: the agent keeps no file about its input. The fleet asks only after
// the agent's own records said that its turn is over.
func (channel) Posture(_ agent.Launch, _ int, screen string, texts []string) agent.Posture {
	input, ok := inputOf(screen)
	switch {
	case !ok:
		return agent.PostureDialog // the input is hidden by whatever takes the keys
	case turnLine().MatchString(styles().ReplaceAllString(screen, "")):
		return agent.PostureBusy
	case input == "":
		return agent.PostureReady
	case agent.Holds(input, texts, placeholder):
		return agent.PostureTyped
	case agent.IsOwnText(input):
		return agent.PostureStale
	}
	return agent.PostureDraft
}

var (
	styles = text.Pattern("\x1b\\[([0-9;:]*)m")
	// turnLine matches the line of a running turn.
	turnLine = text.Pattern(`(?m)^• .*\(\d+.*esc to interrupt\)`)
	// choice matches the selected line of a dialog, which bears the same mark as the input.
	choice = text.Pattern(`^\d+\. `)
)

const placeholder = "[Pasted Content "

// inputOf returns the text in the agent's input without its indentation, and whether there is an input. It begins behind
// the last bold mark that is not dim, and ends before the coloured line about the model.
func inputOf(screen string) (string, bool) {
	lines := readScreen(screen)
	begin := -1
	for i, line := range lines {
		if first := line.first(); strings.HasPrefix(first.text, "›") && first.bold && !first.dim {
			begin = i
		}
	}
	if begin < 0 {
		return "", false
	}
	input := strings.TrimPrefix(lines[begin].solid(), "›")
	for _, line := range lines[begin+1:] {
		if first := line.first(); first.bold || first.dim || first.coloured {
			break
		}
		if text := strings.TrimSpace(line.solid()); text != "" {
			input += "\n" + text
		}
	}
	input = strings.TrimSpace(input)
	return input, !choice().MatchString(input)
}

// span is a piece of a line with one style.
type span struct {
	text                string
	bold, dim, coloured bool
}

// screenLine is one line of a screen.
type screenLine []span

// first returns the first span that shows something; the zero span if there is none.
func (l screenLine) first() span {
	for _, s := range l {
		if strings.TrimSpace(s.text) != "" {
			return s
		}
	}
	return span{}
}

// solid returns the text of a line without dim text, which is a hint.
func (l screenLine) solid() string {
	var b strings.Builder
	for _, s := range l {
		if !s.dim {
			b.WriteString(s.text)
		}
	}
	return b.String()
}

// readScreen splits a screen with escape sequences. A style holds until another one, also in the next lines.
func readScreen(screen string) []screenLine {
	var out []screenLine
	var style span
	for line := range strings.SplitSeq(screen, "\n") {
		var spans screenLine
		for line != "" {
			next := styles().FindStringSubmatchIndex(line)
			end := len(line)
			if next != nil {
				end = next[0]
			}
			if end > 0 {
				style.text = line[:end]
				spans = append(spans, style)
			}
			if next == nil {
				break
			}
			style.apply(line[next[2]:next[3]])
			line = line[next[1]:]
		}
		out = append(out, spans)
	}
	return out
}

// apply changes a style by the parameters of one sequence (ECMA-48, SGR).
func (s *span) apply(parameters string) {
	params := strings.Split(parameters, ";")
	for i := 0; i < len(params); i++ {
		switch params[i] {
		case "", "0":
			*s = span{}
		case "1":
			s.bold = true
		case "2":
			s.dim = true
		case "22":
			s.bold, s.dim = false, false
		case "39":
			s.coloured = false
		case "38", "48": // a colour: its own parameters follow
			s.coloured = s.coloured || params[i] == "38"
			if i+1 < len(params) && params[i+1] == "5" {
				i += 2
			} else {
				i += 4
			}
		}
	}
}

// Delivered implements agent.Channel. A message is in the conversation once the rollout file has it as the user's words.
func (channel) Delivered(l agent.Launch, m event.MessageID) (agent.Delivery, error) {
	return agent.DeliveredIn(threadOf(l).Rollout, m, func(line []byte) string {
		var r rolloutLine
		if json.Unmarshal(line, &r) != nil {
			return ""
		}
		return r.prompt()
	})
}
