package e2e

import (
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
	testrig "muster/internal/testkit/rig"
)

// TestClaudeInAnotherPermissionModeIsParked asks for a mode that the user's own settings forbid: the program starts in another one
// and says so in its screen only.
func TestClaudeInAnotherPermissionModeIsParked(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	openFence(t, "in a fence the program has other settings")
	r := newClaudeRig(t, "", map[string]string{"a.txt": "a\n"})
	r.user.Settings(t, map[string]any{"permissions": map[string]any{"disableBypassPermissionsMode": "disable"}})
	r.commitConfig("[task]\nagent = \"claude\"\npublish = \"none\"\n" +
		r.agentTables("args = [\"--permission-mode\", \"bypassPermissions\"]", "IS_SANDBOX = \"1\"\n"))
	id := r.queue("mode", "Say hello.")
	parked := r.becomes(id, event.Parked)
	if parked.Reason != life.ReasonLaunch || !strings.Contains(parked.Detail, "bypassPermissions") || !strings.Contains(parked.Detail, "permission mode is") {
		t.Errorf("parked for %s (%s)", parked.Reason, parked.Detail)
	}
	r.await("the agent is gone", func() bool { return !r.task(id).Agent.Live })
}
