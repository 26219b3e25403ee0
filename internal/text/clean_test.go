package text_test

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"muster/internal/text"
)

func TestField_LeavesNothingThatActsOnATerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		max  int
		want string
	}{
		{"plain", 10, "plain"},
		{"plain", 3, "pla"},
		{"a\tb\nc\r", 10, "a b c "},
		{"\x1b]0;title\x07x", 30, "x"},
		{"\x1b[1;31mred\x1b[0m", 10, "red"},
		{"\x1b[\x1b[31mx", 10, "x"},
		{"\u009b31mx", 10, "31mx"},
		{"ab\u202ecd\u2066\u200f", 10, "abcd"},
		{"\xff\xfe", 10, "\ufffd\ufffd"},
		{"héé", 2, "hé"},
		{"👩‍💻", 10, "👩‍💻"},
		{"a\U000e0041b", 10, "ab"},
		{"x", 0, ""},
	} {
		if got := text.Field(c.in, c.max); got != c.want {
			t.Errorf("Field(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
		}
	}
}

func TestPaste(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain\n\ttext":              "plain\n\ttext",
		"a\x1b[201~b":                "ab",
		"a\u009b201~b":               "a201~b",
		"a\x9b201~b":                 "a\ufffd201~b",
		"\x00\x03\x04\x07\x08\x7f":   "",
		"a\r\nb\rc":                  "a\nb\nc",
		"é世界🙂\u00a0":                 "é世界🙂\u00a0",
		"bad \xff\xc3( utf8":         "bad \ufffd\ufffd( utf8",
		"a\u202eb\U000e0041c":        "abc",
		"replacement \ufffd is kept": "replacement \ufffd is kept",
	} {
		if got := text.Paste(in); got != want {
			t.Errorf("Paste(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPaste(f *testing.F) {
	f.Add("a\x1b[201~\x9b\u009b\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		got := text.Paste(in)
		if !utf8.ValidString(got) || text.Paste(got) != got {
			t.Errorf("Paste(%q) = %q: not valid or not final", in, got)
		}
		for _, r := range got {
			if (r < ' ' && r != '\n' && r != '\t') || (r >= 0x7f && r <= 0x9f) {
				t.Errorf("Paste(%q) = %q: holds %U", in, got, r)
			}
		}
	})
}

func TestTerminal_KeepsColoursAndNothingElse(t *testing.T) {
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
		if got := text.Terminal(tc.in, true); got != tc.coloured {
			t.Errorf("%s: with colours %q, want %q", name, got, tc.coloured)
		}
		if got := text.Terminal(tc.in, false); got != tc.plain {
			t.Errorf("%s: without %q, want %q", name, got, tc.plain)
		}
	}
}

// steering is whatever a terminal would act upon, but for line ends, tabs and colours.
var steering = regexp.MustCompile(`[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\x{80}-\x{9f}\x{202a}-\x{202e}]|\x1b($|[^\[]|\[[0-9;:]*([^0-9;:m]|$))`)

func FuzzTerminal(f *testing.F) {
	for _, s := range []string{"\x1b[31mred", "\x1b\x1b[2J", "\x1b]0;x\x07", "\x1b[\x1b[2J", "\x9b2J", "a\r\nb", "\x1b[3\x1b[1m1m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, colours := range []bool{true, false} {
			if got := text.Terminal(s, colours); steering.MatchString(got) {
				t.Errorf("Terminal(%q, %v) = %q", s, colours, got)
			}
		}
	})
}

func TestWriter_HoldsBackIncompleteSequences(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := text.NewWriter(&b, false)
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
	if _, err := io.WriteString(w, strings.Repeat("x", 64<<10+1)); err != nil {
		t.Fatal(err)
	}
	if b.Len() == 0 {
		t.Error("a line without end is held back for ever")
	}
}

func TestClean_RemovesWhatHidesOrReordersText(t *testing.T) {
	t.Parallel()
	if got, want := text.Clean("a\u202eb\u2066c\U000e0041d\ufeffe\x1b[31mf\x1b(Bg"), "abcdefg"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
