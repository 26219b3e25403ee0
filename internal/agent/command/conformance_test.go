package command

import (
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	agenttest.Run(t, agenttest.Subject{Adapter: New(), Launch: func(t *testing.T) agent.Launch {
		t.Helper()
		l := newLaunch(t)
		l.Spec.Command = []string{"agent", "--prompt", "{prompt}", "--dir={worktree}"}
		return l
	}})
}
