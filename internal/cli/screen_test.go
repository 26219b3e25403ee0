package cli

import (
	"testing"
)

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
