package life

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// reviewed gives a task a reviewer.
func reviewed(s *event.Spec) {
	of := testSpec()
	of.Name, of.Slug, of.Agent, of.Publish, of.Checks = "review", "review", "other", event.PublishNone, nil
	of.Attempts, of.Respawns, of.Rounds, of.Timeout = 1, 3, 1, 30*time.Minute
	s.Reviews = []event.Reviewer{{Name: "review", Prompt: "Look for leaks.", Spec: of}}
}

// reviewing makes a task a review.
func reviewing(s *event.Spec) {
	s.Publish, s.Checks, s.Attempts, s.Respawns, s.Rounds, s.Timeout = event.PublishNone, nil, 1, 3, 1, 30*time.Minute
	s.Review = &event.ReviewOf{Task: "t9", Check: "review", Round: 1, Commit: "cx", Tree: "x", Base: "c0"}
}

const seal = "secret"

// sealed continues to a reviewer in the middle of its turn.
func (w *world) sealed() *world {
	w.t.Helper()
	w.prepared()
	w.finish(event.ActStart, launchedFact(w.task.Gen), event.ReviewerSealed{Seal: event.SealOf(seal)})
	w.prompted()
	return w.want(event.Working, "")
}

func (w *world) verdict(v event.Verdict) {
	w.t.Helper()
	w.report(event.Record{State: event.RecordDone, Verdict: &v})
}

// reviewBegun continues to a task whose work is under review by t2.
func (w *world) reviewBegun(id event.TaskID) *world {
	w.t.Helper()
	if _, _, ok := ReviewOrder(w.task); !ok {
		w.t.Fatalf("no review is wanted: %s", asJSON(w.task))
	}
	w.fold(event.Event{Time: w.now, Subject: event.OfTask(w.task.ID), Data: event.ReviewBegun{Task: id}})
	return w.want(event.Checking, "")
}

func (w *world) reviewEnds(f event.ReviewFinished) {
	w.t.Helper()
	f.Check, f.Round, f.Tree, f.Agent = "review", w.task.Rounds.Count, w.task.Rounds.Last.Tree, "other"
	w.do(ReviewEnded{f})
}

func TestReviewBeginsOnlyWhenAllCommandsAreGreen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewed).work().endTurn()
	w.finish(event.ActCheck, red("x", "no"))
	if w.want(event.Working, ""); w.task.Inspection != nil {
		t.Fatal("red work is reviewed")
	}
	w.take().endTurn()
	w.finish(event.ActCheck, green("y"))
	spec, prompt, ok := ReviewOrder(w.want(event.Checking, "").task)
	if !ok || spec.Base != "cy" || spec.Review.Tree != "y" || spec.Review.Task != "t1" || spec.Review.Round != 2 {
		t.Fatalf("the review is %v %+v, want one of the tree y", ok, spec.Review)
	}
	if !strings.Contains(prompt, "git diff c0...HEAD") || !strings.Contains(prompt, "Look for leaks.") {
		t.Errorf("the reviewer is told: %s", prompt)
	}
	if w.count(event.ActPublish) != 0 {
		t.Error("the work is published before its review")
	}
	w.reviewBegun("t2")
	if _, _, again := ReviewOrder(w.task); again {
		t.Error("a second review is wanted beside the first")
	}
}

func TestGreenReviewPublishesTheReviewedTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewed).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.reviewBegun("t2").reviewEnds(event.ReviewFinished{Task: "t2", Green: true, Usage: event.Usage{CostUSD: 0.5, InputTokens: 7}})
	w.want(event.Publishing, "")
	if a := argsOf[event.PublishArgs](w); a.Tree != "x" {
		t.Errorf("tree %s is published", a.Tree)
	}
	if u := w.task.TotalUsage(); u.CostUSD != 0.5 || u.InputTokens != 7 {
		t.Errorf("the task has used %+v, want that of its review", u)
	}
	if c, ok := reviewIn(*w.task.Rounds.Last, "review"); !ok || c.Review != "t2" {
		t.Errorf("the round has %+v", w.task.Rounds.Last.Results)
	}
}

func TestRedReviewGoesBackToTheAuthorLikeACompilersErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewed).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.reviewBegun("t2").reviewEnds(event.ReviewFinished{Task: "t2", Findings: "a.go:3: leaks"})
	w.want(event.Working, "")
	if text := w.text("m1"); !strings.Contains(text, "a.go:3: leaks") || !strings.Contains(text, "review") {
		t.Errorf("the author is told: %s", text)
	}
	// The author mends it: the new tree is judged and reviewed as a whole.
	w.take().endTurn()
	w.finish(event.ActCheck, green("y"))
	w.reviewBegun("t3").reviewEnds(event.ReviewFinished{Task: "t3", Green: true})
	w.want(event.Publishing, "")
}

func TestTreeWithARedReviewIsNotReviewedAgainUntilAPersonWantsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewed).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.reviewBegun("t2").reviewEnds(event.ReviewFinished{Task: "t2", Findings: "leaks"})
	w.take().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.want(event.Parked, ReasonNoProgress)
	if w.task.Inspection != nil {
		t.Fatal("the same tree is reviewed again")
	}
	w.finish(event.ActEnd)
	w.write(event.RetryRequested{})
	w.prepare().launch()
	w.prompted()
	w.endTurn().finish(event.ActCheck, green("x"))
	w.reviewBegun("t3").reviewEnds(event.ReviewFinished{Task: "t3", Green: true})
	w.want(event.Publishing, "")
}

func TestReviewWithoutAVerdictIsAnErrorOfTheCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewed).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	spent := w.task.Rounds.Spent
	for _, id := range []event.TaskID{"t2", "t3"} {
		w.reviewBegun(id).reviewEnds(event.ReviewFinished{Task: id, Error: "it crashed"})
		w.want(event.Checking, "")
	}
	w.reviewBegun("t4").reviewEnds(event.ReviewFinished{Task: "t4", Error: "it crashed"})
	w.want(event.Parked, ReasonChecksBroken)
	if w.task.Rounds.Spent != spent || len(w.task.Messages) != 0 {
		t.Errorf("%d rounds are spent and %d messages sent: the author is blamed", w.task.Rounds.Spent-spent, len(w.task.Messages))
	}
	if !strings.Contains(w.task.Detail, "t4") || !strings.Contains(w.task.Detail, "it crashed") {
		t.Errorf("detail %q", w.task.Detail)
	}
}

func TestReviewThatIsNeverBegunParksItsTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewed).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.reviewBegun("t2").advance(26 * time.Hour)
	w.want(event.Parked, ReasonChecksBroken)
}

func TestReviewEndsWhenItsAuthorGoesOn(t *testing.T) {
	t.Parallel()
	under := func() *world {
		w := newWorld(t, reviewed).work().endTurn()
		w.finish(event.ActCheck, green("x"))
		return w.reviewBegun("t2")
	}
	w := under()
	w.prompted()
	if w.want(event.Working, ""); w.task.Inspection != nil {
		t.Error("the work is reviewed while it changes")
	}
	w.reviewEnds(event.ReviewFinished{Task: "t2", Green: true, Usage: event.Usage{CostUSD: 1}})
	w.want(event.Working, "")
	if w.task.TotalUsage().CostUSD != 1 {
		t.Error("what the stopped review used does not count")
	}
	if _, counted := reviewIn(*w.task.Rounds.Last, "review"); counted {
		t.Error("a late verdict counts")
	}

	w = under()
	w.write(event.SendRequested{Message: "m1", Text: "and the docs"})
	if w.want(event.Working, ""); w.task.Inspection != nil {
		t.Error("a message waits for the end of the review")
	}
	w = under()
	w.write(event.StopRequested{})
	w.calm().want(event.Cancelled, ReasonStopped)
	w = under()
	w.do(Shelve{})
	w.calm().want(event.Queued, "")
	if w.task.Inspection != nil {
		t.Error("the review stays while the fleet is down")
	}
}

func TestAuthorWhoGoesOnAtEachReviewUsesUpItsRounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewed).work()
	for round := range w.task.Spec.Rounds + maxVoids {
		w.endTurn()
		w.finish(event.ActCheck, green(fmt.Sprint("tree ", round)))
		w.want(event.Checking, "").prompted()
	}
	w.report(event.Record{State: event.RecordIdle})
	w.want(event.Parked, ReasonRounds)
}

func TestVerdictCountsOnlyWithTheSealOfItsGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewing).sealed()
	w.verdict(event.Verdict{Result: event.VerdictGreen, Seal: "guessed"})
	if w.task.Agent.Verdict != nil {
		t.Fatal("a forged verdict is believed")
	}
	w.verdict(event.Verdict{Result: event.VerdictRed, Findings: "leaks", Seal: seal})
	w.verdict(event.Verdict{Result: event.VerdictGreen, Seal: "guessed"}) // and it displaces none
	w.says(event.RecordIdle)
	w.calm().want(event.Done, "")
	f := ReviewOutcome(w.task)
	if f.Error != "" || f.Green || f.Findings != "leaks" || f.Check != "review" || f.Tree != "x" {
		t.Errorf("the outcome is %+v", f)
	}
	for _, e := range w.log {
		if strings.Contains(asJSON(e), seal+`"`) {
			t.Errorf("the secret is in the log: %s", asJSON(e))
		}
	}
}

func TestVerdictOfAnEarlierGenerationOrBeforeItsSealIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewing).sealed()
	w.verdict(event.Verdict{Result: event.VerdictGreen, Seal: seal})
	w.exit(event.CauseLost, 0)
	w.finish(event.ActStart, launchedFact(2), event.ReviewerSealed{Seal: event.SealOf("another")})
	w.prompted()
	w.verdict(event.Verdict{Result: event.VerdictGreen, Seal: seal})
	w.says(event.RecordIdle)
	w.want(event.Working, "") // it is asked for its verdict

	w = newWorld(t, reviewing).prepared()
	w.prompted() // a quick one reports before the outcome of its start is known
	w.verdict(event.Verdict{Result: event.VerdictGreen, Seal: seal})
	w.says(event.RecordIdle)
	w.finish(event.ActStart, launchedFact(1), event.ReviewerSealed{Seal: event.SealOf(seal)})
	w.calm().want(event.Done, "")
}

func TestReviewerWithoutAVerdictIsAskedForItThenFails(t *testing.T) {
	t.Parallel()
	for name, tr := range map[string]event.Traits{"mailbox": hooked, "paste": pasted, "command": command} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, reviewing, traits(tr)).sealed()
			for range maxReminders {
				if tr.ExitIsTurn {
					w.exit(event.CauseOwn, 0)
				} else {
					w.says(event.RecordIdle)
				}
				w.take()
			}
			if tr.ExitIsTurn {
				w.exit(event.CauseOwn, 0)
			} else {
				w.says(event.RecordIdle)
			}
			w.calm().want(event.Failed, ReasonNoVerdict)
			if f := ReviewOutcome(w.task); f.Error == "" || f.Green {
				t.Errorf("the outcome is %+v", f)
			}
		})
	}
}

func TestReviewerNeverWaitsForAPerson(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world){
		"crash":    func(w *world) { w.exit(event.CauseOwn, 1) },
		"quit":     func(w *world) { w.exit(event.CauseOwn, 0) },
		"request":  func(w *world) { w.asks("r1"); w.advance(16 * time.Minute) },
		"login":    func(w *world) { w.errs(event.ErrorAuth) },
		"time":     func(w *world) { w.advance(31 * time.Minute) },
		"worktree": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, reviewing, func(s *event.Spec) { s.Silence = 0 })
			if end == nil {
				w.granted()
				w.fail(event.ActPrepare, FailRefused)
			} else {
				w.sealed()
				end(w)
			}
			w.calm()
			if w.task.State != event.Failed || w.task.Reason == "" {
				t.Fatalf("the reviewer is %s (%s)", w.task.State, w.task.Reason)
			}
			if f := ReviewOutcome(w.task); f.Error == "" {
				t.Errorf("the outcome is %+v", f)
			}
		})
	}
}

func TestReviewLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewing).sealed()
	w.write(event.StopRequested{})
	w.calm()
	w.want(event.Cancelled, ReasonStopped)
	if w.task.Worktree != "" {
		t.Error("its worktree stays")
	}
	w.advance(24 * time.Hour)
	w.wantOpen(event.ActRemove).finish(event.ActRemove, event.TaskRemoved{})
	if w.task.Busy() {
		t.Errorf("it is still looked after: %s", asJSON(w.task))
	}
}

func TestReviewerSharesTheSlotOfItsAuthor(t *testing.T) {
	t.Parallel()
	author := newWorld(t, reviewed).work().endTurn()
	author.finish(event.ActCheck, green("x"))
	author.reviewBegun("t2")
	r := newWorld(t, reviewing)
	r.task.ID = "t2"
	other := newWorld(t)
	other.task.ID = "t3"
	account := map[event.AccountID]AccountState{"some": {Account: Account{ID: "some"}, MaxAgents: 1}}
	for name, f := range map[string]Fleet{
		"full":     {Slots: 1},
		"draining": {Slots: 1, Draining: true},
		"account":  {Slots: 2, Accounts: account},
	} {
		f.Tasks = []Task{author.task, r.task, other.task}
		var got []event.TaskID
		for _, e := range Schedule(f, dawn) {
			if _, granted := e.Data.(event.SlotGranted); granted {
				got = append(got, e.Task)
			}
		}
		if !slices.Equal(got, []event.TaskID{"t2"}) {
			t.Errorf("%s: slots go to %v, want the reviewer alone", name, got)
		}
	}
	if events := Schedule(Fleet{Slots: 1, Gate: "no memory", GateWas: "no memory", Tasks: []Task{author.task, r.task}}, dawn); len(events) != 0 {
		t.Errorf("a reviewer starts while nothing may: %s", asJSON(events))
	}
}

// TestNoMessageEndsAReviewWhenTheBudgetIsSpent: what its reviewers used is the task's, so the message would be a prompt too many.
func TestNoMessageEndsAReviewWhenTheBudgetIsSpent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reviewed, func(s *event.Spec) { s.Budget = event.Budget{CostUSD: 1} }).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.reviewBegun("t2").reviewEnds(event.ReviewFinished{Task: "t2", Error: "it crashed", Usage: event.Usage{CostUSD: 2}})
	w.write(event.SendRequested{Message: "m1", Text: "and of the docs"})
	w.want(event.Parked, ReasonBudget)
	if m, _ := w.task.Message("m1"); m.State != event.MessageWaiting {
		t.Errorf("the message is %s", m.State)
	}
}
