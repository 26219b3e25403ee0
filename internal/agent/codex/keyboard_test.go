package codex

import (
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/mail"
)

// Screens of version 0.171.0; ^ stands for the escape character.
const (
	footerLines = "\n\n  ^[38;5;223mgpt-5.5 default^[39m · ^[38;5;151m/w^[39m · ^[38;5;211mdo it\n^[39m  ^[1m←^[0m^[39m^[49m for agents · ^[1m?^[0m^[39m^[49m for shortcuts"
	told        = "^[1;2m^[38;5;255m^[48;5;238m› ^[0m^[38;5;255m^[48;5;238mdo it^[39m\n^[38;5;255m ^[39m\n^[49m• ok\n\n"
	empty       = "^[1m›^[0m^[39m^[49m ^[2mAsk Codex to do anything\n^[0m^[39m^[49m"
)

func TestPostureReadsTheInput(t *testing.T) {
	t.Parallel()
	short := channel{}.Typed(mail.Message{ID: "m7", Text: "line one\nline two"})
	long := channel{}.Typed(mail.Message{ID: "m8", Text: strings.Repeat("line\n", 30)})
	if len(short) != 1 || len(long) != 2 || len(long[1]) <= largePaste {
		t.Fatalf("typed %q, %d texts", short, len(long))
	}
	for name, c := range map[string]struct {
		screen string
		texts  []string
		want   agent.Posture
	}{
		"empty":                   {told + empty + footerLines, nil, agent.PostureReady},
		"styles of a line before": {told + "^[2m^[38;5;255mWorked\n^[0m^[39m^[1m›^[0m ^[2mAsk Codex to do anything\n^[0m" + footerLines, nil, agent.PostureReady},
		"a draft":                 {told + "^[1m›^[0m^[39m^[49m a draft of mine" + footerLines, short, agent.PostureDraft},
		"a draft in two lines":    {told + "^[1m›^[0m^[39m^[49m\n  a draft" + footerLines, short, agent.PostureDraft},
		"typed":                   {told + "^[1m›^[0m^[39m^[49m [muster m7] line one\n  line two" + footerLines, short, agent.PostureTyped},
		"half of it":              {told + "^[1m›^[0m^[39m^[49m [muster m7] line one" + footerLines, short, agent.PostureStale},
		"typed, long":             {told + "^[1m›^[0m^[39m^[49m [muster m8] ^[38;5;6m[Pasted Content 1389 chars]\n^[39m" + footerLines, long, agent.PostureTyped},
		"only the tag":            {told + "^[1m›^[0m^[39m^[49m [muster m8]" + footerLines, long, agent.PostureStale},
		"busy":                    {told + "• ^[2mWorking^[0m^[39m^[49m ^[2m(19s • ^[0;1m^[39m^[49mesc^[0;2m^[39m^[49m to interrupt)\n^[0m\n" + empty + footerLines, nil, agent.PostureBusy},
		"a dialog":                {"  Meet GPT-6 Sol\n^[1m› 1. Try new model^[0m\n  2. Use existing model\n\n  ^[2menter/esc confirm", nil, agent.PostureDialog},
		"another dialog":          {"Hooks need review\n  ^[38;5;6m› 1. Review hooks^[39m", nil, agent.PostureDialog},
		"nothing":                 {"", nil, agent.PostureDialog},
	} {
		if got := (channel{}).Posture(agent.Launch{}, 1, strings.ReplaceAll(c.screen, "^", "\x1b"), c.texts); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
