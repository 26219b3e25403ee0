package claude

import (
	"strings"
	"testing"

	"muster/internal/mail"
)

// TestTyped_NoTextEndsInABackslash: Enter after a backslash is a line break in the agent's input and sends nothing.
func TestTyped_NoTextEndsInABackslash(t *testing.T) {
	t.Parallel()
	for _, end := range []string{`\`, "\\\n", `\\`, strings.Repeat("long ", 300) + `\`} {
		texts := adapter{}.Typed(mail.Message{ID: "m1", Text: "words " + end})
		last := texts[len(texts)-1]
		if strings.HasSuffix(last, `\`) || !strings.HasSuffix(strings.TrimSpace(last), `\`) {
			t.Errorf("%.20q: typed %q", end, last[len(last)-10:])
		}
	}
}
