package e2e

import (
	"slices"
	"testing"

	"muster/internal/event"
	"muster/internal/testkit/claude"
	"muster/internal/testkit/model"
)

// TestClaudeThatHangsIsInterruptedAndGoesOn lets the model never answer. Claude Code shows nothing of that: its turn
// neither ends nor fails, which took whole nights elsewhere.
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
		// Its interrupt takes a prompt without an answer back out of the conversation; what it is told says where it stands.
		r.once("[muster m1]")
		if last := r.model.Requests()[1]; !last.Contains("the file that MUSTER_PROMPT_FILE names") {
			t.Errorf("it was told %+v", last.Last())
		}
	})
}
