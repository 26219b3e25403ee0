package command

import (
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/testkit/files"
)

// newLaunch returns a launch in a directory of its own, whose PATH starts there.
func newLaunch(t *testing.T) agent.Launch {
	t.Helper()
	l := agenttest.NewLaunch(t, "command")
	files.Script(t, agenttest.Root(l), "agent", "true")
	return l
}
