package life

import (
	"slices"
	"testing"
	"time"

	"muster/internal/event"
)

// rows has a case for each row of the table. The rule of the case must be the last move of the task.
var rows = []struct {
	name   string
	rule   rule
	change func(*event.Spec)
	run    func(*world)
	to     event.State
	reason event.Reason
}{
	{name: "what comes after a task that runs is blocked", rule: ruleDepsWait, change: afterT9, to: event.Blocked, run: func(w *world) {
		w.schedule(event.Working)
	}},
	{name: "it stands in line once that is done", rule: ruleDepsMet, change: afterT9, to: event.Queued, run: func(w *world) {
		w.schedule(event.Working)
		w.schedule(event.Done)
	}},
	{name: "it is parked if that failed", rule: ruleDepsFailed, change: afterT9, to: event.Parked, reason: ReasonDependency, run: func(w *world) {
		w.schedule(event.Failed)
	}},
	{name: "a slot starts with the worktree", rule: ruleSlotGranted, to: event.Preparing, run: func(w *world) {
		w.granted()
		w.wantOpen(event.ActPrepare)
	}},
	{name: "a reviewer with a verdict has done its work", rule: ruleVerdict, change: reviewing, to: event.Publishing, run: func(w *world) {
		w.sealed()
		w.verdict(event.Verdict{Result: event.VerdictGreen, Seal: seal})
		w.says(event.RecordIdle)
	}},
	{name: "a reviewer that would need a person fails", rule: ruleReviewBroken, change: reviewing, to: event.Failed, reason: ReasonPrepare, run: func(w *world) {
		w.granted()
		w.fail(event.ActPrepare, FailRefused)
	}},
	{name: "a worktree that cannot be made parks", rule: rulePrepareFailed, to: event.Parked, reason: ReasonPrepare, run: func(w *world) {
		w.granted()
		w.fail(event.ActPrepare, FailAgain)
	}},
	{name: "a worktree that is ready gets its agent", rule: ruleLaunch, to: event.Starting, run: func(w *world) {
		w.prepare()
		w.wantOpen(event.ActStart).wantGen(1, 1)
	}},
	{name: "an agent that stands at a dialog after its start parks", rule: ruleLaunchStuck, to: event.Parked, reason: ReasonDialog, run: func(w *world) {
		w.prepare().launch().advance(30 * time.Second)
		w.finish(event.ActProbe, event.AgentProbed{Screen: "Trust this folder?"})
	}},
	{name: "an agent that a person must set right first parks at once", rule: ruleLaunchFailed, to: event.Parked, reason: ReasonLaunch, run: func(w *world) {
		w.prepare()
		w.fail(event.ActStart, FailRefused)
	}},
	{name: "an agent in another permission mode than configured parks", rule: ruleLaunchMode, change: inMode("plan"), to: event.Parked, reason: ReasonLaunch, run: func(w *world) {
		w.prepare().launch().report(event.Record{State: event.RecordWorking, PermissionMode: "bypass"})
	}},
	{name: "a crash starts a further generation", rule: ruleRelaunch, to: event.Starting, reason: event.Reason(event.WhyCrash), run: func(w *world) {
		w.work().exit(event.CauseOwn, 1)
		w.wantOpen(event.ActStart).wantGen(2, 2)
	}},
	{name: "the first record shows that the agent works", rule: ruleFirstRecord, to: event.Working, run: func(w *world) {
		w.prepare().launch().says(event.RecordWorking)
	}},
	{name: "a limited agent that goes on by itself works", rule: ruleWentOn, to: event.Working, run: func(w *world) {
		w.work().errs(event.ErrorRateLimit)
		w.prompted()
	}},
	{name: "the end of a turn is checked", rule: ruleTurnEnded, to: event.Checking, run: func(w *world) {
		w.work().endTurn()
		w.wantOpen(event.ActCheck)
	}},
	{name: "a permission request waits for a person", rule: ruleRequestOpened, to: event.Waiting, reason: ReasonPermission, run: func(w *world) {
		w.work().asks("r1")
	}},
	{name: "an answer lets the agent go on", rule: ruleRequestClosed, to: event.Working, run: func(w *world) {
		w.work().asks("r1")
		w.write(event.AnswerRequested{Request: "r1", Decision: event.Allow})
		w.finish(event.ActAnswer)
	}},
	{name: "a request that nobody answers parks", rule: ruleRequestExpired, to: event.Parked, reason: ReasonPermission, run: func(w *world) {
		w.work().asks("r1")
		w.advance(15 * time.Minute)
	}},
	{name: "a silent agent is stalled", rule: ruleSilent, to: event.Stalled, reason: ReasonSilent, run: func(w *world) {
		w.work().silence()
	}},
	{name: "a stalled agent that reports again works", rule: ruleSilenceEnded, to: event.Working, run: func(w *world) {
		w.work().silence()
		w.says(event.RecordWorking)
	}},
	{name: "an agent that stays silent parks", rule: ruleStallEnd, to: event.Parked, reason: ReasonSilent, run: func(w *world) {
		w.work().silence()
		w.advance(4 * time.Minute) // nudged, then interrupted
		w.finish(event.ActInterrupt)
		w.finish(event.ActEnd)
		w.finish(event.ActStart, launchedFact(2))
		w.says(event.RecordWorking)
		w.silence()
	}},
	{name: "an error of the service rests the task", rule: ruleAPIError, to: event.Limited, reason: event.Reason(event.ErrorOverloaded), run: func(w *world) {
		w.work().errs(event.ErrorOverloaded)
	}},
	{name: "an account that rests takes its agent along at the end of its turn", rule: ruleAccountRests, to: event.Limited, reason: event.Reason(event.RestLimit), run: func(w *world) {
		w.work().do(Hold{Account: "some", Held: Held{Cause: event.RestLimit, Until: w.now.Add(time.Hour)}})
		w.endTurn().finish(event.ActCheck, red("x", "no"))
	}},
	{name: "what an account has parked waits with the others", rule: ruleAccountBack, to: event.Limited, reason: ReasonAuth, run: func(w *world) {
		w.work().errs(event.ErrorAuth)
		w.finish(event.ActEnd)
		w.do(Recall{})
	}},
	{name: "after the pause a slot wakes it", rule: ruleAPIRetry, to: event.Working, run: func(w *world) {
		w.work().errs(event.ErrorOverloaded)
		w.advance(time.Minute)
		w.granted()
		w.wantOpen(event.ActDeliver)
	}},
	{name: "an error that lasts parks", rule: ruleAPIEnd, to: event.Parked, reason: ReasonAuth, run: func(w *world) {
		w.work().errs(event.ErrorAuth)
	}},
	{name: "a green round is published", rule: ruleRoundGreen, to: event.Publishing, run: func(w *world) {
		w.work().endTurn().finish(event.ActCheck, green("x"))
		w.wantOpen(event.ActPublish)
	}},
	{name: "a red round goes back to the agent", rule: ruleRoundRed, to: event.Working, run: func(w *world) {
		w.work().endTurn().finish(event.ActCheck, red("x", "no"))
		w.wantOpen(event.ActDeliver).wantMessage("m1", event.MessageSending)
	}},
	{name: "a verdict on work that goes on does not count", rule: ruleRoundVoid, to: event.Working, run: func(w *world) {
		w.work().endTurn().says(event.RecordWorking)
		w.finish(event.ActCheck, green("x"))
	}},
	{name: "a red round too many parks", rule: ruleRoundsUsed, to: event.Parked, reason: ReasonRounds, run: func(w *world) {
		w.work()
		for _, tree := range []string{"a", "b", "c", "d", "e"} {
			w.endTurn().finish(event.ActCheck, red(tree, "no"))
			if tree != "e" {
				w.take()
			}
		}
	}},
	{name: "green work that has what the task does not allow parks", rule: ruleWorkRefused, change: demanding(event.ReactionPark), to: event.Parked, reason: "deleted_tests", run: func(w *world) {
		w.work().endTurn().finish(event.ActCheck, finding(green("x")))
	}},
	{name: "the same failure and no change parks", rule: ruleNoProgress, to: event.Parked, reason: ReasonNoProgress, run: func(w *world) {
		w.park()
	}},
	{name: "twice no change at all parks", rule: ruleNoChange, to: event.Parked, reason: ReasonNoChange, run: func(w *world) {
		nothing := green("x")
		nothing.Changed = false
		w.work().endTurn().finish(event.ActCheck, nothing)
		w.want(event.Working, "").take().endTurn().finish(event.ActCheck, nothing)
	}},
	{name: "checks that cannot be run park", rule: ruleChecksBroken, to: event.Parked, reason: ReasonChecksBroken, run: func(w *world) {
		w.work().endTurn().fail(event.ActCheck, FailRefused)
	}},
	{name: "work that changed after its verdict is checked again", rule: ruleTreeMoved, to: event.Checking, run: func(w *world) {
		w.work().endTurn().finish(event.ActCheck, green("x"))
		w.fail(event.ActPublish, FailMoved)
		w.wantOpen(event.ActCheck)
	}},
	{name: "a pull request is in review", rule: ruleInReview, to: event.InReview, run: func(w *world) {
		w.review()
	}},
	{name: "work that cannot be published parks", rule: rulePublishRefused, to: event.Parked, reason: ReasonPublish, run: func(w *world) {
		w.work().endTurn().finish(event.ActCheck, green("x"))
		w.fail(event.ActPublish, FailRefused)
	}},
	{name: "published work is done", rule: rulePublished, to: event.Done, run: func(w *world) {
		w.work().endTurn().finish(event.ActCheck, green("x"))
		w.finish(event.ActPublish, publishedFact())
		w.finish(event.ActEnd)
		w.finish(event.ActClean, event.WorktreeRemoved{})
	}},
	{name: "work to be merged waits in the queue of its base", rule: ruleMergeQueued, change: merges, to: event.InReview, run: func(w *world) {
		w.queued()
	}},
	{name: "work that conflicts goes back to its agent", rule: ruleMergeReturned, change: merges, to: event.Queued, reason: event.Reason(event.MergeConflicts), run: func(w *world) {
		w.queued().do(Unmerged{Why: event.MergeConflicts, Branch: "main", Files: []string{"a.go"}})
	}},
	{name: "work that conflicts after all rounds parks", rule: ruleMergeRefused, to: event.Parked, reason: event.Reason(event.MergeRed), change: func(s *event.Spec) { merges(s); s.Rounds = 1 }, run: func(w *world) {
		w.queued().do(Unmerged{Why: event.MergeRed, Branch: "main", Results: red("x", "no").Results})
	}},
	{name: "a review without end parks", rule: ruleReviewEnd, to: event.Parked, reason: ReasonReview, run: func(w *world) {
		w.review()
		w.advance(reviewLimit)
	}},
	{name: "red checks of a forge go back to the agent", rule: ruleReviewFeedback, to: event.Queued, reason: event.Reason(event.WhyFeedback), run: func(w *world) {
		w.review().show(redReview("c9", "test"))
	}},
	{name: "a change that was closed parks", rule: ruleReviewClosed, to: event.Parked, reason: ReasonClosed, run: func(w *world) {
		w.review().show(Reviewed{Phase: ReviewClosed, Why: "ann closed it"})
	}},
	{name: "a change whose checks never begin parks", rule: ruleReviewWaits, to: event.Parked, reason: ReasonCI, run: func(w *world) {
		w.review().show(Reviewed{Phase: ReviewOpen, Head: "c9", Waits: "test has not ended"})
	}},
	{name: "retry waits for the checks of a change again", rule: ruleReviewAgain, to: event.InReview, run: func(w *world) {
		w.review().show(Reviewed{Phase: ReviewOpen, Head: "c9", Waits: "test has not ended"}).write(event.RetryRequested{})
	}},
	{name: "checks of a change that give a verdict late take the task back into its review", rule: ruleReviewNews, to: event.InReview, run: func(w *world) {
		w.review().show(Reviewed{Phase: ReviewOpen, Head: "c9", Waits: "test has not ended"}).calm().show(Reviewed{Phase: ReviewOpen, Head: "c9", Judged: true})
	}},
	{name: "a change that stays red parks", rule: ruleReviewStuck, to: event.Parked, reason: ReasonNoProgress, run: func(w *world) {
		w.review().show(redReview("c9", "test")).again("c9").show(redReview("c9", "test"))
	}},
	{name: "a review has the rounds of its task", rule: ruleReviewRounds, to: event.Parked, reason: ReasonRounds, change: func(s *event.Spec) { s.Rounds = 1 }, run: func(w *world) {
		w.review().show(redReview("c9", "test"))
	}},
	{name: "retry puts a parked task in line again", rule: ruleReturned, to: event.Queued, reason: event.Reason(event.WhyRetry), run: func(w *world) {
		w.park().write(event.RetryRequested{})
	}},
	{name: "a task goes down with the fleet and stands in line again", rule: ruleShelved, to: event.Queued, run: func(w *world) {
		w.work().do(Shelve{})
		w.finish(event.ActEnd)
	}},
	{name: "an agent that a person quits parks", rule: ruleQuit, to: event.Parked, reason: ReasonQuit, run: func(w *world) {
		w.work().exit(event.CauseOwn, 0)
	}},
	{name: "records without end park", rule: ruleFlooded, to: event.Parked, reason: ReasonFlood, run: func(w *world) {
		w.work().do(Flooded{Gen: 1, Text: "64 MiB"})
		w.wantOpen(event.ActEnd).finish(event.ActEnd)
	}},
	{name: "a crash too many fails", rule: ruleAttemptsUsed, to: event.Failed, reason: ReasonAttempts, run: func(w *world) {
		w.work()
		for range 3 {
			w.exit(event.CauseOwn, 1)
			w.advance(10 * time.Second)
			if w.task.State == event.Starting {
				w.launch().prompted()
			}
		}
		w.wantGen(3, 3)
	}},
	{name: "a generation too many fails", rule: ruleRespawnsUsed, change: func(s *event.Spec) { s.Respawns = 1 }, to: event.Failed, reason: ReasonRespawns, run: func(w *world) {
		w.work()
		for range 2 {
			w.exit(event.CauseLost, 0)
			if w.task.State == event.Starting {
				w.launch().prompted()
			}
		}
		w.wantGen(2, 1)
	}},
	{name: "a task whose time is over fails", rule: ruleTimeout, to: event.Failed, reason: ReasonTimeout, run: func(w *world) {
		w.work().advance(3 * time.Hour)
	}},
	{name: "a task that has spent its budget parks", rule: ruleBudgetSpent, change: budget(event.Budget{Turns: 1}), to: event.Parked, reason: ReasonBudget, run: func(w *world) {
		w.work().uses(event.Usage{Turns: 1})
	}},
	{name: "stop ends, keeps and cancels", rule: ruleStopped, to: event.Cancelled, reason: ReasonStopped, run: func(w *world) {
		w.work().write(event.StopRequested{})
		w.wantOpen(event.ActEnd).finish(event.ActEnd)
		w.wantOpen(event.ActKeep).finish(event.ActKeep, event.WorkKept{Ref: "refs/muster/keep/1"})
	}},
	{name: "a racer that passed waits for the others", rule: ruleRaceWaits, change: races, to: event.InReview, run: func(w *world) {
		w.work().endTurn().finish(event.ActCheck, green("x"))
	}},
	{name: "the best racer is published", rule: ruleRaceWon, change: races, to: event.Publishing, run: func(w *world) {
		w.work().endTurn().finish(event.ActCheck, green("x"))
		w.finish(event.ActEnd)
		w.do(Raced{event.RaceDecided{Winner: "t1", Why: "best"}})
	}},
	{name: "another racer is cancelled", rule: ruleRaceLost, change: races, to: event.Cancelled, reason: ReasonRaced, run: func(w *world) {
		w.do(Raced{event.RaceDecided{Winner: "t2", Why: "best"}})
	}},
}

func afterT9(s *event.Spec) { s.After = []event.TaskID{"t9"} }

// schedule makes the fleet's decision about dependencies. No slot is free.
func (w *world) schedule(dependency event.State) {
	w.t.Helper()
	for _, e := range Schedule(Fleet{Tasks: []Task{w.task}, States: map[event.TaskID]event.State{"t9": dependency}}, w.now) {
		w.fold(e)
		w.do(Heard{Payload: e.Data})
	}
}

// silence continues to a stalled agent.
func (w *world) silence() *world {
	w.t.Helper()
	w.quiet = 10 * time.Minute
	w.advance(10 * time.Minute)
	w.finish(event.ActProbe, event.AgentProbed{Evidence: "/evidence"})
	return w
}

// review continues to work in review, after the end of its agent.
func (w *world) review() *world {
	w.t.Helper()
	w.work().endTurn().finish(event.ActCheck, green("x"))
	w.finish(event.ActPublish, event.WorkPublished{Mode: event.PublishPR, URL: "https://forge.test/pr/1", Commit: "c9"})
	w.finish(event.ActEnd)
	return w.want(event.InReview, "")
}

func merges(s *event.Spec) { s.Publish = event.PublishMerge }

// queued continues to work that waits to be merged, after the end of its agent.
func (w *world) queued() *world {
	w.t.Helper()
	w.work().endTurn().finish(event.ActCheck, green("x"))
	w.finish(event.ActPublish, event.WorkPublished{Mode: event.PublishMerge, Branch: "muster/t1-fix", Commit: "c9", Tree: "x"})
	w.finish(event.ActEnd)
	return w.want(event.InReview, "")
}

func TestRows(t *testing.T) {
	t.Parallel()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if row.change != nil {
				w = newWorld(t, row.change)
			}
			row.run(w)
			w.want(row.to, row.reason)
			moves := w.rules()
			if len(moves) == 0 || moves[len(moves)-1] != string(row.rule) {
				t.Errorf("moves were %v, want %s as the last", moves, row.rule)
			}
		})
	}
}

func TestEveryRowOfTheTableHasACase(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, row := range rows {
		covered[string(row.rule)] = true
	}
	for _, tr := range Rules() {
		if !covered[tr.Rule] {
			t.Errorf("no case reaches %s: %s", tr.Rule, tr.When)
		}
		if RuleText(tr.Rule) == "" || tr.To == "" || len(tr.From) == 0 {
			t.Errorf("row %+v says too little", tr)
		}
		if slices.ContainsFunc(tr.From, event.State.Final) {
			t.Errorf("%s leaves a final state", tr.Rule)
		}
	}
	if RuleText("moon.landed") != "" {
		t.Error("a rule of another version has a text")
	}
}
