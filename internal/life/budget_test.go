package life

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

func budget(b event.Budget) func(*event.Spec) { return func(s *event.Spec) { s.Budget = b } }

// uses reports the cumulative usage of the conversation, in the middle of a turn.
func (w *world) uses(u event.Usage) {
	w.t.Helper()
	w.report(event.Record{State: event.RecordWorking, Usage: &u})
}

// told returns the messages that tell the agent to come to an end.
func (w *world) told() (all []event.MessageID) {
	for _, e := range w.log {
		if p, ok := e.Data.(event.MessageQueued); ok && p.Why == event.WhyBudget {
			all = append(all, p.Message)
		}
	}
	return all
}

func TestBudget_StopsTheTaskWhereTheUsageIsRecorded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		limit event.Budget
		under event.Usage
		over  event.Usage
		says  string
	}{
		{"money", event.Budget{CostUSD: 2}, event.Usage{CostUSD: 1.99}, event.Usage{CostUSD: 2.01}, "$2.01 of $2.00"},
		{"tokens", event.Budget{Tokens: 100}, event.Usage{InputTokens: 40, OutputTokens: 30, CacheWriteTokens: 29, CacheReadTokens: 5000}, event.Usage{InputTokens: 40, OutputTokens: 30, CacheWriteTokens: 30}, "100 of 100 tokens"},
		{"turns", event.Budget{Turns: 3}, event.Usage{Turns: 2}, event.Usage{Turns: 3}, "3 of 3 turns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.limit.Soft = 1
			w := newWorld(t, budget(tt.limit)).work()
			w.uses(tt.under)
			w.want(event.Working, "")
			w.uses(tt.over)
			w.want(event.Parked, ReasonBudget)
			if !strings.Contains(w.task.Detail, tt.says) {
				t.Errorf("detail %q, want %q", w.task.Detail, tt.says)
			}
			w.wantOpen(event.ActEnd)
			w.finish(event.ActEnd)
			if w.task.Worktree == "" || len(w.told()) > 0 {
				t.Errorf("worktree %q, told %v", w.task.Worktree, w.told())
			}
		})
	}
}

func TestBudget_RetryGrantsTheSameAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, budget(event.Budget{CostUSD: 2, Soft: 1})).work()
	w.uses(event.Usage{CostUSD: 5}) // a single answer may pass the limit by any amount
	w.want(event.Parked, ReasonBudget)
	w.finish(event.ActEnd)
	w.write(event.SendRequested{Message: "m1", Text: "go on"})
	w.want(event.Parked, ReasonBudget) // a message grants nothing
	w.write(event.RetryRequested{})
	w.want(event.Queued, event.Reason(event.WhyRetry))
	w.work()
	w.uses(event.Usage{CostUSD: 6.9})
	w.want(event.Working, "")
	w.uses(event.Usage{CostUSD: 7})
	w.want(event.Parked, ReasonBudget)
}

func TestBudget_TellsTheAgentOnceBeforeItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, budget(event.Budget{Turns: 10})).work()
	w.uses(event.Usage{Turns: 7})
	if len(w.told()) > 0 {
		t.Fatal("told too early")
	}
	w.uses(event.Usage{Turns: 8})
	w.wantOpen(event.ActDeliver)
	w.take()
	w.uses(event.Usage{Turns: 9})
	if told := w.told(); len(told) != 1 || !strings.Contains(w.text(told[0]), "8 of 10 turns") {
		t.Fatalf("told by %v", told)
	}
	w.want(event.Working, "")
}

// TestBudget_TellingIsNoTurnOfItsOwn: an agent that takes messages at its start only is told with the next feedback, and one
// that takes them between turns only is not told at all.
func TestBudget_TellingIsNoTurnOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		kind event.Traits
		told int
	}{{"command", command, 1}, {"paste", pasted, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, traits(tt.kind), budget(event.Budget{Turns: 10})).work()
			w.uses(event.Usage{Turns: 8})
			w.wantOpen()
			w.endTurn()
			w.finish(event.ActCheck, red("x", "no"))
			if len(w.told()) != tt.told {
				t.Fatalf("told by %v, want %d", w.told(), tt.told)
			}
			if tt.told > 0 && len(argsOf[event.StartArgs](w).Messages) != 2 {
				t.Errorf("the start carries %v", argsOf[event.StartArgs](w).Messages)
			}
		})
	}
}

// TestBudget_JudgesWhatIsFinished: the answer that ends a turn may pass the limit, and its work is judged all the same. Red
// work would need a prompt, so the task is parked then.
func TestBudget_JudgesWhatIsFinished(t *testing.T) {
	t.Parallel()
	end := func() *world {
		w := newWorld(t, budget(event.Budget{Turns: 3, Soft: 1})).work().endTurn()
		w.report(event.Record{State: event.RecordIdle, Usage: &event.Usage{Turns: 3}})
		return w.want(event.Checking, "")
	}
	w := end()
	w.finish(event.ActCheck, green("x"))
	w.want(event.Publishing, "")

	w = end()
	w.finish(event.ActCheck, red("x", "no"))
	w.want(event.Parked, ReasonBudget)
	if n := w.count(event.ActDeliver); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
	w.finish(event.ActEnd)
	w.write(event.RetryRequested{})
	w.prepare()
	if args := argsOf[event.StartArgs](w); len(args.Messages) != 1 {
		t.Errorf("the feedback is not in the next prompt: %v", args.Messages)
	}
}

func TestBudget_StartsNothingOnceItIsSpent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, budget(event.Budget{Turns: 3, Soft: 1})).work()
	w.errs(event.ErrorOverloaded)
	w.want(event.Limited, event.Reason(event.ErrorOverloaded))
	w.report(event.Record{Usage: &event.Usage{Turns: 3}}) // the transcript is slower than the hook
	w.want(event.Parked, ReasonBudget)
	if n := w.count(event.ActStart); n != 1 {
		t.Errorf("%d starts", n)
	}
}

func TestBudget_OfWorkingTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, budget(event.Budget{Wall: 100 * time.Minute}), func(s *event.Spec) { s.Silence = 0 })
	w.work()
	w.advance(50 * time.Minute)
	w.says(event.RecordWorking)
	w.asks("r1") // waiting does not count
	w.want(event.Waiting, event.Reason(event.WaitPermission))
	w.advance(10 * time.Minute)
	w.says(event.RecordWorking)
	w.want(event.Working, "")
	w.advance(29 * time.Minute)
	if len(w.told()) > 0 {
		t.Fatal("told too early")
	}
	w.advance(2 * time.Minute)
	if len(w.told()) != 1 {
		t.Fatalf("told by %v", w.told())
	}
	w.take()
	w.do(Shelve{}) // the fleet goes down, and what was used counts
	w.finish(event.ActEnd)
	w.want(event.Queued, "")
	w.now = w.now.Add(5 * time.Hour)
	w.work()
	w.advance(18 * time.Minute)
	w.want(event.Working, "")
	w.advance(2 * time.Minute)
	w.want(event.Parked, ReasonBudget)
	if !slices.Contains(w.rules(), string(ruleBudgetSpent)) || len(w.told()) != 1 {
		t.Errorf("rules %v, told %v", w.rules(), w.told())
	}
	w.finish(event.ActEnd)
	w.write(event.RetryRequested{})
	w.work()
	w.advance(79 * time.Minute)
	w.want(event.Working, "")
}
