package cli

import (
	"regexp"
	"strings"
	"testing"
)

// TestManualPages_HoldNoRequestOfTheirText checks that no word of a help text reaches a formatter as a request or an escape.
func TestManualPages_HoldNoRequestOfTheirText(t *testing.T) {
	t.Parallel()
	request := regexp.MustCompile(`^\.(TH|SH|TP|B|BR|PP|nf|fi)( |$)`)
	escape := regexp.MustCompile(`\\(.)`)
	for _, c := range append(everyVerb(t), newRoot(Env{})) {
		for line := range strings.Lines(manPage(c, "v1.2.3")) {
			line = strings.TrimSuffix(line, "\n")
			if (strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'")) && !request.MatchString(line) {
				t.Errorf("%s: the line %q is no request of ours", manName(c), line)
			}
			for _, m := range escape.FindAllStringSubmatch(line, -1) {
				if !strings.Contains(`-ef(&`, m[1]) {
					t.Errorf("%s: the line %q has the escape %q", manName(c), line, m[0])
				}
			}
		}
	}
}

func TestRoff_KeepsTextAsItIs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		".so /etc/passwd": `\&.so /etc/passwd`, `a\b`: `a\eb`, "--json": `\-\-json`, "'quoted'": `\(aqquoted\(aq`, "`x`": `\(gax\(ga`,
	} {
		if got := roff(text); got != want {
			t.Errorf("roff(%q) = %q, want %q", text, got, want)
		}
	}
	if got, want := roffText("one\ntwo\n\n  $ three\n  four\n\nfive"), "one\ntwo\n.PP\n.nf\n  $ three\n  four\n.PP\n.fi\nfive\n"; got != want {
		t.Errorf("roffText: %q, want %q", got, want)
	}
}
