package e2e

import (
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/testkit/model"
)

// TestClaudeIsStoppedWhereItsBudgetIsSpent lets the usage of a real Claude pass the budget in the middle of a turn, while a
// tool runs. The model is asked nothing more until a person retries the task.
func TestClaudeIsStoppedWhereItsBudgetIsSpent(t *testing.T) {
	t.Parallel()
	const config = "publish = \"none\"\n[budget.task]\ncost_usd = 1.0\nsoft = 1\n[prices.\"*\"]\ninput = 10\noutput = 10\n"
	r := newClaudeRig(t, config, map[string]string{"tool.sh": "sleep 300\n"})
	r.configure(config, `args = ["--allowedTools", "Bash(sh tool.sh)"]`)
	cost := model.Usage{Input: 40_000, Output: 20_000}
	r.model.Add(
		model.Always(model.Use("Read", map[string]any{"file_path": r.workFile("t1", "spend", "tool.sh")}).Costing(cost)),
		model.Always(model.Use("Bash", map[string]any{"command": "sh tool.sh", "description": "as it says"}).Costing(cost)),
		model.Always(model.Say("It goes on.")),
	)
	id := r.queue("spend", "Run the tool.")
	parked := r.becomes(id, event.Parked)
	if parked.Reason != life.ReasonBudget || !strings.Contains(parked.Detail, "$1.20 of $1.00") {
		t.Fatalf("parked for %q: %s", parked.Reason, parked.Detail)
	}
	r.await("the agent is gone", func() bool { p := r.task(id); return !p.Agent.Live && !p.Slot })
	if n := len(r.model.Requests()); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
	if u := parked.TotalUsage(); u.Turns != 2 || u.InputTokens != 80_000 || u.Unpriced != "" || u.Model == "" {
		t.Errorf("usage %+v", u)
	}
	r.must("retry", string(id))
	got := r.becomes(id, event.Done)
	if got.Gen != 2 || got.Attempt != 1 || got.Conversation != parked.Conversation {
		t.Errorf("generation %d, attempt %d, conversation %s", got.Gen, got.Attempt, got.Conversation)
	}
}
