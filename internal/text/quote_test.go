package text_test

import (
	"testing"

	"muster/internal/text"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a/b.c": "a/b.c", "": "''", "it's": `'it'\''s'`, "a b": "'a b'", "=ls": "'=ls'", "$x": "'$x'",
	} {
		if got := text.Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
	if got, want := text.Command([]string{"cd", "a b"}), "cd 'a b'"; got != want {
		t.Errorf("Command = %s, want %s", got, want)
	}
}

func TestExit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status, signal int
		exit, exited   string
	}{
		{3, 0, "exit status 3", "exited with status 3"},
		{-1, 9, "signal 9 (killed)", "was ended by signal 9 (killed)"},
	} {
		if got := text.Exit(c.status, c.signal); got != c.exit {
			t.Errorf("Exit = %q, want %q", got, c.exit)
		}
		if got := text.Exited(c.status, c.signal); got != c.exited {
			t.Errorf("Exited = %q, want %q", got, c.exited)
		}
	}
}
