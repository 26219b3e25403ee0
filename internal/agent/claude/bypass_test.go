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

func TestMode_IsTheOneThatTheAgentIsToldToHave(t *testing.T) {
	t.Parallel()
	m, ok := claude.New().(agent.Moder)
	if !ok {
		t.Fatal("the adapter does not say which mode it asks for")
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "acceptEdits"},
		{[]string{"--permission-mode", "plan"}, "plan"},
		{[]string{"--permission-mode=manual"}, "default"},
		{[]string{"--permission-mode", "plan", "--permission-mode=dontAsk"}, "dontAsk"},
		{[]string{"--permission-mode", "plan", "--dangerously-skip-permissions"}, "bypassPermissions"},
	} {
		if got := m.Mode(event.Spec{Args: c.args}); got != c.want {
			t.Errorf("%q: %s, want %s", c.args, got, c.want)
		}
	}
}
