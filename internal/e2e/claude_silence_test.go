package e2e

import (
	"slices"
	"testing"

	"muster/internal/event"
	"muster/internal/testkit/claude"
	"muster/internal/testkit/model"
)

// TestClaudeThatHangsIsInterruptedAndGoesOn makes the model never answer. Claude Code does not show that: its turn
// neither ends nor fails. Such turns have blocked other programs for whole nights.
func TestClaudeThatHangsIsInterruptedAndGoesOn(t *testing.T) {
	claude.Each(t, func(t *testing.T, version string) {
		r := newClaudeRigOf(t, version, "publish = \"none\"\nsilence = \"10s\"\n", map[string]string{"a.txt": "a\n"})
		r.model.Add(model.Hang())
		id := r.queue("hang", "Say hello.")
		r.await("it is interrupted", func() bool { return slices.Contains(r.stages(id), event.StageInterrupt) })
		got := r.becomes(id, event.Done)
		if got.Gen != 1 || got.Attempt != 1 {
			t.Errorf("generation %d, attempt %d, stages %v: an interrupt is enough", got.Gen, got.Attempt, r.stages(id))
		}
		if stages := r.stages(id); !slices.Equal(stages, []event.Stage{event.StageNudge, event.StageInterrupt}) {
			t.Errorf("stages %v", stages)
		}
		// The interrupt removes a prompt without an answer from the conversation. The message that follows says where
		// the task is.
		r.once("[muster m1]")
		if last := r.model.Requests()[1]; !last.Contains("the file that MUSTER_PROMPT_FILE names") {
			t.Errorf("it was told %+v", last.Last())
		}
	})
}
