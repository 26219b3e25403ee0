package control

import (
	"strings"
	"unicode/utf8"

	"muster/internal/fault"
)

// Maximum lengths in bytes. A long prompt is written to a file; a message must fit in the mailbox and in the terminal
// of an agent.
const (
	MaxPrompt  = 1 << 20
	maxMessage = 100 << 10
)

// plain checks a text that a person or an agent wrote and returns it without NUL bytes, which no argument or terminal
// can carry. Other control characters are removed where the text is shown.
func plain(what, text string, limit int) (string, error) {
	text = strings.ReplaceAll(text, "\x00", "")
	switch {
	case !utf8.ValidString(text):
		return "", fault.New(fault.Usage, "%s is not UTF-8 text", what).WithHint("Convert it, for instance with iconv -t utf-8.")
	case strings.TrimSpace(text) == "":
		return "", fault.New(fault.Usage, "%s is empty", what).WithHint("Say what to do.")
	case len(text) > limit:
		return "", fault.New(fault.Usage, "%s has %d bytes; the limit is %d", what, len(text), limit).
			WithHint("Put the long part into a file and name that file in the text.")
	}
	return text, nil
}
