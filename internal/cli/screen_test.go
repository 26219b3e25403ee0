package cli

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestSafeTextKeepsColoursAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, coloured, plain string }{
		"plain":      {"a\tb\nc\n", "a\tb\nc\n", "a\tb\nc\n"},
		"colour":     {"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m", "red"},
		"clear":      {"a\x1b[2Jb\x1b[Hc", "abc", "abc"},
		"title":      {"a\x1b]0;title\x07b\x1b]52;c;aGk=\x1b\\c", "abc", "abc"},
		"device":     {"a\x1bPq#1\x1b\\b", "ab", "ab"},
		"c1":         {"a\u009b2Jb", "a2Jb", "a2Jb"},
		"bell":       {"a\ab\x00c", "abc", "abc"},
		"carriage":   {"10%\r20%\r\n", "10% 20%\n", "10% 20%\n"},
		"right-left": {"a\u202eb", "ab", "ab"},
		"broken":     {"a\xff\n", "a\ufffd\n", "a\ufffd\n"},
		"end":        {"a\x1b", "a", "a"},
		"wide":       {"日本\n", "日本\n", "日本\n"},
	} {
		if got := safe(tc.in, true); got != tc.coloured {
			t.Errorf("%s: with colours %q, want %q", name, got, tc.coloured)
		}
		if got := safe(tc.in, false); got != tc.plain {
			t.Errorf("%s: without %q, want %q", name, got, tc.plain)
		}
	}
}

// steering is whatever a terminal would act upon, but for line ends, tabs and colours.
var steering = regexp.MustCompile(`[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\x{80}-\x{9f}\x{202a}-\x{202e}]|\x1b($|[^\[]|\[[0-9;:]*([^0-9;:m]|$))`)

func FuzzSafe(f *testing.F) {
	for _, s := range []string{"\x1b[31mred", "\x1b\x1b[2J", "\x1b]0;x\x07", "\x1b[\x1b[2J", "\x9b2J", "a\r\nb", "\x1b[3\x1b[1m1m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, colours := range []bool{true, false} {
			if got := safe(s, colours); steering.MatchString(got) {
				t.Errorf("safe(%q, %v) = %q", s, colours, got)
			}
		}
	})
}

func TestSafeWriterTakesSequencesThatComeInPieces(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := &safeWriter{w: &b}
	for _, piece := range []string{"one\x1b", "[2J", " line\ntwo", "\x1b]0;t", "itle\x07!"} {
		if _, err := io.WriteString(w, piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "one line\ntwo!"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.Reset()
	if _, err := io.WriteString(w, strings.Repeat("x", maxSafeLine+1)); err != nil {
		t.Fatal(err)
	}
	if b.Len() == 0 {
		t.Error("a line without end is held back for ever")
	}
}

func TestAFollowedLogIsPrintedFromWhereItIsNew(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ old, text, want string }{
		{"", "a\nb\n", "a\nb\n"},
		{"a\n", "a\nb\n", "b\n"},
		{"a\nhal", "a\nhalf\n", "f\n"},
		{"a\nold\n", "a\nnew\n", "new\n"},
		{"a\nb\n", "c\n", "c\n"},
	} {
		if got := tc.text[commonLines(tc.old, tc.text):]; got != tc.want {
			t.Errorf("%q after %q: printed %q, want %q", tc.text, tc.old, got, tc.want)
		}
	}
}
