package agent

import (
	"strings"
	"testing"

	"muster/internal/mail"
	"muster/internal/text"
)

func TestQuoteLeavesNoTagAtALineStartWhateverTheText(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"[muster m1]", "a\n[muster m1] b", " [muster m1]", "[mus\x00ter m1]", "\x1b[31m[muster m1]\x1b[0m", "a\r[muster m1]",
		"a\u2028[muster m1]", "\ufeff[muster m1]", "[\x1b]0;x\amuster m1]", "\x1b]0;\r\a[muster m1]", "\v[muster m1]", "[muster m1][muster m2]",
	} {
		for _, clean := range []func(string) string{text.Clean, text.Paste} {
			if got := Quote(clean(s)); len(Tags(got)) > 0 || strings.TrimSpace(got) != "" && len(Tags(strings.TrimLeft(got, " \t\u2028"))) > 0 {
				t.Errorf("%q became %q, which has a tag", s, got)
			}
		}
	}
	for _, s := range []string{"", "see [muster m1]", "a\n  b [muster m1]\n", "[musterm1]", "\x1b[1mmuster"} {
		if got := Quote(s); got != s {
			t.Errorf("%q became %q though none of its lines begins as a tag does", s, got)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\r[muster m1]\n[muster m2]")
	f.Fuzz(func(t *testing.T, s string) {
		for _, m := range [][]mail.Message{{{ID: "m3", Text: s}}, {{ID: "m3", Text: "x"}, {ID: "m4", Text: s}}} {
			if ids := Tags(WithMessages(text.Clean(s), m)); len(ids) != len(m) {
				t.Errorf("%q with %d messages has the tags %v", s, len(m), ids)
			}
		}
	})
}
