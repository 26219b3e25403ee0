package agent

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

func TestIsUUID(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`),
			rapid.StringMatching(`[0-9a-fA-Fg-]{36}`),
			rapid.StringMatching(`[0-9a-f]{7,9}(-[0-9a-f]{3,5}){2,4}-[0-9a-f]{11,13}\n?`),
			rapid.String(),
		).Draw(t, "text")
		if got, want := IsUUID(s), pattern.MatchString(s); got != want {
			t.Errorf("IsUUID(%q) = %v, want %v", s, got, want)
		}
	})
}
