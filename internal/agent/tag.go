package agent

import (
	"regexp"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

// A message is found again by its tag (event.MessageID.Tag). People, programs and agents may write such a tag as well: a
// log that somebody quotes, or the output of a check. Therefore a tag counts at the start of a line only, and no line of
// a foreign text starts with one once it is framed: Quote is applied wherever such a text becomes a part of a prompt.

var (
	tagLine = regexp.MustCompile(`(?m)^\[muster (m[1-9][0-9]{0,9})\]`)
	// looksTagged also matches what an agent could make a tag of, such as one behind blanks.
	looksTagged = regexp.MustCompile(`^\s*\[\s*muster\s`)
)

// Tags returns the messages whose tag starts a line of a text, each once, in order.
func Tags(text string) []event.MessageID {
	if !strings.Contains(text, "[muster m") {
		return nil
	}
	var out []event.MessageID
	for _, m := range tagLine.FindAllStringSubmatch(text, -1) {
		if id := event.MessageID(m[1]); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// HasTag reports whether the tag of a message starts a line of a text.
func HasTag(text string, id event.MessageID) bool { return slices.Contains(Tags(text), id) }

// Quote returns a text with "> " ahead of each line that begins as a tag does. All other lines stay as they are. A text
// that is cleaned before an agent gets it has to be cleaned before it is quoted.
func Quote(s string) string {
	if !strings.Contains(text.Clean(s), "muster") {
		return s
	}
	lines := strings.SplitAfter(s, "\n")
	for i, line := range lines {
		if looksTagged.MatchString(text.Clean(line)) {
			lines[i] = "> " + line
		}
	}
	return strings.Join(lines, "")
}

// Words returns the text of a message as an agent gets it behind the message's tag: cleaned, and without tags of its own.
func Words(m mail.Message) string { return Quote(text.Paste(m.Text)) }

// Tagged returns a message with its tag ahead, on a line of its own.
func Tagged(m mail.Message) string { return m.ID.Tag() + "\n" + Words(m) }

// WithMessages returns a prompt that somebody wrote, with messages behind it.
func WithMessages(prompt string, messages []mail.Message) string {
	prompt = Quote(prompt)
	for _, m := range messages {
		prompt = strings.TrimRight(prompt, "\n") + "\n\n" + Tagged(m)
	}
	return prompt
}
