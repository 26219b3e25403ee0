package agent

import (
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

// A message is recognised by its tag (event.MessageID.Tag). People, programs and agents may write such a tag as well,
// for example in a quoted log or in the output of a check. Therefore a tag counts only at the start of a line, and
// Quote is applied to every foreign text that becomes part of a prompt, so that none of its lines starts with one.

var (
	tagLine = text.Pattern(`(?m)^\[muster (m[1-9][0-9]{0,9})\]`)
	// looksTagged also matches text that an agent could take for a tag, such as a tag after spaces.
	looksTagged = text.Pattern(`^\s*\[\s*muster\s`)
)

// Tags returns the messages whose tag starts a line of a text, each once, in order.
func Tags(text string) []event.MessageID {
	if !strings.Contains(text, "[muster m") {
		return nil
	}
	var out []event.MessageID
	for _, m := range tagLine().FindAllStringSubmatch(text, -1) {
		if id := event.MessageID(m[1]); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// HasTag reports whether the tag of a message starts a line of a text.
func HasTag(text string, id event.MessageID) bool { return slices.Contains(Tags(text), id) }

// Quote returns a text with "> " before each line that begins like a tag. All other lines stay as they are. A text
// must be cleaned before it is quoted, if it is cleaned at all.
func Quote(s string) string {
	if !strings.Contains(text.Clean(s), "muster") {
		return s
	}
	lines := strings.SplitAfter(s, "\n")
	for i, line := range lines {
		if looksTagged().MatchString(text.Clean(line)) {
			lines[i] = "> " + line
		}
	}
	return strings.Join(lines, "")
}

// Words returns the text of a message as an agent gets it after the message's tag: cleaned, and with its own tags
// quoted.
func Words(m mail.Message) string { return Quote(text.Paste(m.Text)) }

// Tagged returns a message with its tag before it, on a line of its own.
func Tagged(m mail.Message) string { return m.ID.Tag() + "\n" + Words(m) }

// WithMessages returns a person's prompt, quoted, followed by messages.
func WithMessages(prompt string, messages []mail.Message) string {
	prompt = Quote(prompt)
	for _, m := range messages {
		prompt = strings.TrimRight(prompt, "\n") + "\n\n" + Tagged(m)
	}
	return prompt
}
