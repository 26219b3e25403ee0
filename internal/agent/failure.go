package agent

import (
	"slices"
	"strings"
	"time"
)

// LimitMargin is added to the end of a usage limit, for differences between clocks.
const LimitMargin = 5 * time.Second

// Says reports whether a text contains one of the words.
func Says(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}
