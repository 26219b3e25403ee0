package text

import "testing"

func TestVisibleHidesNothing(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ls -l\n\tx é 漢":  "ls -l\n\tx é 漢",
		"a\x1b[2Kb\rc":    `a\x1b[2Kb\rc`,
		"rm \u202egpj.x":  `rm \u202egpj.x`,
		"a\u200bb\u00a0c": `a\u200bb\u00a0c`,
		"a\xffb\x00":      `a\xffb\x00`,
		"\U000e0041":      `\U000e0041`,
		"a\u2028b":        `a\u2028b`,
	} {
		if got := Visible(in); got != want {
			t.Errorf("Visible(%q) is %q, want %q", in, got, want)
		}
	}
}
