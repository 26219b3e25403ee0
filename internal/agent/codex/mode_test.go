package codex

import (
	"testing"

	"muster/internal/event"
)

func TestMode_IsTheOneThatArgumentsAskFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, ""}, // the user's configuration decides
		{[]string{"-s", "workspace-write"}, ""},
		{[]string{"-a", "on-request"}, "default"},
		{[]string{"--ask-for-approval=never"}, "bypassPermissions"},
		{[]string{"-c", "approval_policy = \"never\""}, "bypassPermissions"},
		{[]string{"--config", "model=\"x\"", "-c", "approval_policy='untrusted'"}, "default"},
		{[]string{"--yolo"}, "bypassPermissions"},
	} {
		if got := (adapter{}).Mode(event.Spec{Args: c.args}); got != c.want {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}
