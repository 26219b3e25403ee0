package text_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"muster/internal/text"
)

func TestLimited_KeepsTheBeginningHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	w := &text.Limited{Most: 5}
	if _, err := io.WriteString(w, "abc"); err != nil || w.Full() {
		t.Fatalf("%v, full %t", err, w.Full())
	}
	if _, err := io.WriteString(w, "def"); !errors.Is(err, text.ErrFull) || !w.Full() || w.String() != "abc" {
		t.Errorf("%v, full %t, %q", err, w.Full(), w.String())
	}
	w = &text.Limited{Most: 5}
	if _, err := io.Copy(w, strings.NewReader("abcdef")); !errors.Is(err, text.ErrFull) || !w.Full() {
		t.Errorf("a copy passes the limit: %v, %q", err, w.String())
	}
	w = &text.Limited{Most: 5}
	if _, err := io.Copy(w, io.MultiReader(strings.NewReader("abc"), strings.NewReader("def"))); !errors.Is(err, text.ErrFull) || w.String() != "abc" {
		t.Errorf("a copy from a reader passes the limit: %v, %q", err, w.String())
	}
}
