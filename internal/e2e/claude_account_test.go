package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/testkit/claude"
	"muster/internal/testkit/model"
	testrig "muster/internal/testkit/rig"
)

// claudeDriver returns how the table sets Claude Code up.
func claudeDriver(t *testing.T) driver {
	t.Helper()
	for _, a := range drivers() {
		if a.kind == "claude" {
			return a
		}
	}
	t.Fatal("the table has no Claude Code")
	return driver{}
}

// costs returns a step that runs a command and has used so many tokens.
func (c *cell) costs(tokens int64, command string) model.Step {
	return model.Always(model.Use(c.a.use(command)).Costing(model.Usage{Input: tokens, Output: 1}))
}

// TestClaudePassesABudgetInTheNight checks that a task, and then the night, that has used its tokens stops in the middle of a turn, and
// that the model is not called once more.
func TestClaudePassesABudgetInTheNight(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	a := claudeDriver(t)
	r := newSituation(t, a, "")
	r.userConfig(roomyFleet + "[budget.night]\ntokens = 5000\nhard = true\n")

	own := r.cell(t, a, "passes its own budget")
	own.beginWith([]string{"--budget", "tokens=1000"}, own.costs(400, "cat a.txt"), own.costs(800, "sh tool.sh"), model.Text("never said"))
	parked := own.becomes(own.id, event.Parked)
	if parked.Reason != life.ReasonBudget {
		t.Errorf("parked for %s (%s), want %s", parked.Reason, parked.Detail, life.ReasonBudget)
	}
	own.await("its agent is gone", func() bool { return !own.task(own.id).Agent.Live })
	if n := len(own.talk.Requests()); n != 2 {
		t.Errorf("the model was called %d times, want 2: the second answer passed the limit", n)
	}

	night := r.cell(t, a, "passes the budget of the night")
	night.begin(night.costs(4000, "sh tool.sh"), model.Text("done"))
	night.becomes(night.id, event.Limited)
	night.await("its agent is gone", func() bool { return !night.task(night.id).Agent.Live })
	late := r.cell(t, a, "begins too late")
	late.begin(model.Text("done"))
	night.await("the night's budget is spent", func() bool { return strings.Contains(night.must("accounts"), "SPENT") })
	if got := late.task(late.id); got.State != event.Queued || len(late.talk.Requests()) != 0 || len(night.talk.Requests()) != 1 {
		t.Errorf("the next task is %s; the model was called %d times for it, and %d times for the one that passed the limit",
			got.State, len(late.talk.Requests()), len(night.talk.Requests()))
	}

	night.make("go-on")
	night.must("accounts", "wake", "budget:night") // a person grants the same once more
	got := night.becomes(night.id, event.Done)
	late.becomes(late.id, event.Done)
	if got.Gen != 2 || got.Attempt != 1 {
		t.Errorf("generation %d, attempt %d: it was resumed, and that is no attempt", got.Gen, got.Attempt)
	}
	night.said(mark(night.name))
	if n := len(own.talk.Requests()); n != 2 {
		t.Errorf("the model was called %d times for the parked task", n)
	}
}

// TestClaudeOnTwoAccounts checks that work goes to a second account while the first one is limited, and that the limited conversation is
// resumed after the limit, in the home of its own account.
func TestClaudeOnTwoAccounts(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	a := claudeDriver(t)
	r := newSituation(t, a, "")
	second := filepath.Join(r.root, "second")
	claude.SetUp(t, claude.Newest, second, r.repo)
	r.setVar("SECOND_TOKEN", "no-real-token-either")
	r.userConfig(roomyFleet + `[accounts.claude]
[accounts.second]
agent = "claude"
env = { CLAUDE_CONFIG_DIR = "` + second + `" }
env_from = { CLAUDE_CODE_OAUTH_TOKEN = "SECOND_TOKEN" }
`)
	// holds returns the homes that have the task's conversation.
	holds := func(task life.Task) (in string) {
		for name, dir := range map[string]string{"claude": filepath.Join(r.root, "user", ".claude"), "second": second} {
			found, err := filepath.Glob(filepath.Join(dir, "projects", "*", task.Conversation+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			if len(found) > 0 {
				in += name
			}
		}
		return in
	}

	first := r.cell(t, a, "meets the limit")
	first.begin(func(model.Request) model.Reply { return a.limit(time.Now().Add(2 * time.Hour)) }, model.Text("done"))
	limited := first.rests(1)
	other := r.cell(t, a, "goes elsewhere")
	other.begin(model.Text("done"))
	elsewhere := other.becomes(other.id, event.Done)
	if limited.Uses != "claude" || elsewhere.Uses != "second" || holds(limited) != "claude" || holds(elsewhere) != "second" {
		t.Errorf("the accounts are %s and %s, the homes %q and %q", limited.Uses, elsewhere.Uses, holds(limited), holds(elsewhere))
	}
	if n := len(first.talk.Requests()); n != 1 || first.task(first.id).State != event.Limited {
		t.Errorf("%d calls were spent on the limited account, and the task is %s:\n%s", n-1, first.task(first.id).State, first.must("why", string(first.id)))
	}

	first.kill(limited.Agent.Process.PID) // so that it has to be resumed
	first.await("its agent is gone", func() bool { return !first.task(first.id).Agent.Live })
	first.later(2*time.Hour + 10*time.Minute)
	got := first.becomes(first.id, event.Done)
	if got.Uses != "claude" || got.Conversation != limited.Conversation || got.Gen != 2 || got.Attempt != 1 || holds(got) != "claude" {
		t.Errorf("account %s, conversation %s (was %s) in %q, generation %d, attempt %d",
			got.Uses, got.Conversation, limited.Conversation, holds(got), got.Gen, got.Attempt)
	}
	first.said(mark(first.name))

	again := r.cell(t, a, "comes after the limit")
	again.begin(model.Text("done"))
	if got := again.becomes(again.id, event.Done); got.Uses != "claude" {
		t.Errorf("after the limit new work goes to %s", got.Uses)
	}
}
