package claude_test

import (
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/claude"
	"muster/internal/event"
)

func TestBypasses_KnowsEverySpelling(t *testing.T) {
	t.Parallel()
	b, ok := claude.New().(agent.Bypasser)
	if !ok {
		t.Fatal("the adapter does not say whether its agent asks")
	}
	for _, c := range []struct {
		args []string
		want bool
	}{
		{nil, false},
		{[]string{"--permission-mode", "acceptEdits"}, false},
		{[]string{"--permission-mode", "bypassPermissions"}, true},
		{[]string{"--permission-mode=bypassPermissions"}, true},
		{[]string{"--dangerously-skip-permissions"}, true},
	} {
		if got := b.Bypasses(event.Spec{Args: c.args}); got != c.want {
			t.Errorf("%q: %t, want %t", c.args, got, c.want)
		}
	}
}
