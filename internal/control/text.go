package control

import (
	"strings"
	"unicode/utf8"

	"muster/internal/fault"
)

// The longest texts, in bytes. A prompt is written to a file where it is long; a message has to fit in the mailbox
// and the terminal of an agent.
const (
	maxPrompt  = 1 << 20
	maxMessage = 100 << 10
)

// plain checks a text that people or agents wrote and gives it as it is kept: only NUL goes, which no argument and
// no terminal can carry. What else a screen must not show is cleaned where it is shown.
func plain(what, text string, limit int) (string, error) {
	text = strings.ReplaceAll(text, "\x00", "")
	switch {
	case !utf8.ValidString(text):
		return "", fault.New(fault.Usage, "%s is not UTF-8 text", what).WithHint("Convert it, for instance with iconv -t utf-8.")
	case strings.TrimSpace(text) == "":
		return "", fault.New(fault.Usage, "%s is empty", what).WithHint("Say what is to be done.")
	case len(text) > limit:
		return "", fault.New(fault.Usage, "%s has %d bytes, and %d are the most", what, len(text), limit).
			WithHint("Put the long part into a file and name that file in the text.")
	}
	return text, nil
}
