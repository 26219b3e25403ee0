package text_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"muster/internal/text"
)

func TestExcerptKeepsAShortOutputWhole(t *testing.T) {
	t.Parallel()
	got := text.Excerpt([]byte("\n\x1b[31m./a.go:3:5: undefined: x\x1b[0m\r\nFAIL\n\n"), 1000)
	if want := "./a.go:3:5: undefined: x\nFAIL"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExcerptKeepsHeadPlacesAndTail(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("first words\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "noise %d\n", i)
		if i == 1500 {
			b.WriteString("pkg/deep.go:17:4: cannot use y as int\n")
		}
	}
	b.WriteString("last words\n")
	got := text.Excerpt([]byte(b.String()), 2000)
	if len(got) > 2000 {
		t.Errorf("%d bytes, want at most 2000", len(got))
	}
	for _, want := range []string{"first words", "pkg/deep.go:17:4: cannot use y as int", "last words", "lines left out"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "noise 1501\n") {
		t.Error("noise of the middle was kept")
	}
}

func TestPlacesOfManyTools(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"main.go:3:5: undefined: x", "    foo_test.go:12: got 1", "src/app.ts(4,7): error TS2322", `  File "a.py", line 3, in f`,
		" --> src/main.rs:2:5", "--- FAIL: TestX (0.00s)", "panic: boom", "npm ERR! error",
	} {
		out := strings.Repeat("x\n", 3000) + line + "\n" + strings.Repeat("y\n", 3000)
		if got := text.Excerpt([]byte(out), 1500); !strings.Contains(got, line) {
			t.Errorf("%q was left out", line)
		}
	}
}

func TestProgressBarsLeaveTheirLastState(t *testing.T) {
	t.Parallel()
	if got, want := text.Clean("a\n10%\r50%\r100%\nb"), "a\n100%\nb"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnEndlessEscapeDoesNotEatTheRest(t *testing.T) {
	t.Parallel()
	if got := text.Clean("\x1b]0;title never ends\nerror: x"); !strings.Contains(got, "error: x") {
		t.Errorf("got %q", got)
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	if got, want := text.Line(" a\tb\n\x1b[1mc äöü", 9), "a b c …"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzExcerpt(f *testing.F) {
	f.Add([]byte("a.go:1:2: x\n\x1b[31mred\x1b[0m"), 100)
	f.Add([]byte(strings.Repeat("ä\r\n", 500)), 700)
	f.Add([]byte("\x1b\xff\x1bä\x1b\n"), 133)
	f.Fuzz(func(t *testing.T, out []byte, limit int) {
		if limit < 0 || limit > 1<<16 {
			return
		}
		got := text.Excerpt(out, limit)
		if len(got) > limit {
			t.Errorf("%d bytes, want at most %d", len(got), limit)
		}
		if !utf8.ValidString(got) {
			t.Error("broken UTF-8")
		}
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("control character %U", r)
			}
		}
	})
}
