package life

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster/internal/event"
)

// TestWhateverHappens gives likely and hostile inputs to a task and checks each step. After that only time passes and
// the task's own actions end. The task must then come to rest.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, func(s *event.Spec) { drawSpec(rt, s) })
		scenes[die(rt, len(scenes), "scene")](w)
		for range rapid.IntRange(1, 120).Draw(rt, "steps") {
			w.something(rt)
		}
		w.dull(rt)
	})
}

// die returns a number below n. All are equally likely, unlike in rapid's own generators, which prefer small numbers,
// so that a random walk would often repeat itself.
func die(rt *rapid.T, n int, label string) int {
	return rapid.Custom(func(rt *rapid.T) int {
		v := 0
		for range 8 {
			v <<= 1
			if rapid.Bool().Draw(rt, "bit") {
				v++
			}
		}
		return v % n
	}).Draw(rt, label)
}

func pick[T any](rt *rapid.T, from []T, label string) T { return from[die(rt, len(from), label)] }

// scenes are the starts of a random walk, so that it also reaches states far from the beginning.
var scenes = []func(*world){
	func(*world) {},
	func(w *world) { w.prepared() },
	func(w *world) { w.prepared().launch() },
	func(w *world) { w.work() },
	func(w *world) { w.work(); w.says(event.RecordIdle) },
	func(w *world) { w.work(); w.asks("r1") },
	func(w *world) { w.work(); w.errs(event.ErrorOverloaded) },
	func(w *world) {
		w.work()
		w.quiet = 10 * time.Minute
		w.advance(10 * time.Minute)
		w.finishIf(event.ActProbe, event.AgentProbed{})
	},
	func(w *world) { w.work(); w.exit(event.CauseOwn, 1) },
	func(w *world) { w.work(); w.says(event.RecordIdle); w.finishIf(event.ActCheck, green("x")) },
	func(w *world) { w.work(); w.says(event.RecordIdle); w.finishIf(event.ActCheck, red("x", "no")) },
}

func drawSpec(rt *rapid.T, s *event.Spec) {
	s.Traits = pick(rt, []event.Traits{hooked, pasted, command}, "traits")
	s.Done.DeletedTests = pick(rt, []event.Reaction{"", event.ReactionBack, event.ReactionPark}, "deleted tests")
	s.Publish = pick(rt, []event.Publish{event.PublishBranch, event.PublishNone, event.PublishPR, event.PublishMerge}, "publish")
	s.Attempts = die(rt, 6, "attempts")
	s.Respawns = die(rt, 9, "respawns")
	s.Rounds = die(rt, 4, "rounds")
	s.Timeout = pick(rt, []time.Duration{time.Minute, time.Hour, 3 * time.Hour}, "timeout")
	if die(rt, 3, "budget") == 0 {
		s.Budget = event.Budget{
			Tokens: int64(die(rt, 200, "tokens")), Turns: die(rt, 8, "turns"), Soft: 0.5,
			Wall: pick(rt, []time.Duration{0, 10 * time.Minute, time.Hour}, "wall"),
		}
	}
	if die(rt, 4, "after") == 0 {
		s.After = []event.TaskID{"t9"}
	}
}

// something makes a random step: mostly a possible one, sometimes an impossible one.
func (w *world) something(rt *rapid.T) {
	w.now = w.now.Add(pick(rt, []time.Duration{0, time.Second, time.Minute, -time.Minute, time.Hour}, "pause"))
	switch die(rt, 16, "what") {
	case 0, 1, 2, 3:
		w.someOutcome(rt)
	case 4, 5, 6:
		w.someRecord(rt, w.task.Gen)
	case 7, 8:
		if d, ok := firstDeadline(w.task); ok {
			if d.At.After(w.now) {
				w.now = d.At
			}
			w.do(Due{Name: d.Name})
		}
	case 9, 10:
		w.someSlot()
	case 11, 12:
		w.someRequest(rt)
	case 13:
		w.someExit(rt, w.task.Gen)
	default:
		w.someHostility(rt)
	}
}

// someSlot does what Schedule would do with a free slot.
func (w *world) someSlot() {
	for _, e := range Schedule(Fleet{Tasks: []Task{w.task}, States: map[event.TaskID]event.State{"t9": event.Done}, Slots: 1}, w.now) {
		w.fold(e)
		w.do(Heard{Payload: e.Data})
	}
}

func (w *world) someOutcome(rt *rapid.T) {
	if len(w.task.Open) == 0 {
		return
	}
	a := pick(rt, w.task.Open, "action")
	in := Finished{ID: a.ID}
	if die(rt, 4, "fails") == 0 {
		in.Failure = &Failure{
			Kind: pick(rt, []FailureKind{FailAgain, FailShut, FailRefused, FailMoved, FailUnknown}, "how"), Text: "it failed",
			Lack: pick(rt, []event.Place{"", event.PlaceMachine, event.PlaceRepository}, "lack"),
		}
	}
	if in.Failure == nil || rapid.Bool().Draw(rt, "facts all the same") {
		in.Facts = someFacts(rt, a)
	}
	w.do(in)
}

func someFacts(rt *rapid.T, a event.Action) []event.Payload {
	switch a.Kind() {
	case event.ActPrepare:
		return []event.Payload{readyFact()}
	case event.ActStart:
		if die(rt, 10, "no process") > 0 {
			return []event.Payload{launchedFact(a.Gen)}
		}
	case event.ActCheck:
		r := red(pick(rt, []string{"x", "y", "z"}, "tree"), pick(rt, []string{"no", "never"}, "says"))
		if rapid.Bool().Draw(rt, "green") {
			r.Results[0].Exit = 0
		}
		r.Changed, r.Moved = die(rt, 5, "unchanged") > 0, die(rt, 5, "moved") == 0
		if die(rt, 4, "finding") == 0 {
			r = finding(r)
		}
		if die(rt, 10, "no round") > 0 {
			return []event.Payload{r}
		}
	case event.ActPublish:
		p := event.WorkPublished{Mode: event.PublishPR, Branch: "muster/t1-fix", Commit: "c9"}
		if rapid.Bool().Draw(rt, "review") {
			p.URL = "https://forge.test/pr/1"
		} else if rapid.Bool().Draw(rt, "merge") {
			p.Mode, p.Tree = event.PublishMerge, "x"
		}
		return []event.Payload{p}
	case event.ActDeliver, event.ActConfirm:
		to := pick(rt, []event.MessageState{event.MessageAcked, event.MessageWaiting, event.MessageUnknown, ""}, "trace")
		if to != "" {
			return []event.Payload{event.MessageMoved{Message: a.Message(), To: to}}
		}
	case event.ActKeep:
		return []event.Payload{event.WorkKept{Ref: "refs/muster/keep/1"}}
	case event.ActClean:
		return []event.Payload{event.WorktreeRemoved{}}
	case event.ActRemove:
		return []event.Payload{event.WorkKept{Ref: "refs/muster/keep/2"}, event.WorktreeRemoved{}, event.TaskRemoved{}}
	case event.ActRestore:
		return []event.Payload{readyFact()}
	case event.ActEnd:
		if rapid.Bool().Draw(rt, "status known") {
			return []event.Payload{event.AgentExited{Cause: event.CauseEnded, Known: true}}
		}
	case event.ActProbe:
		return []event.Payload{event.AgentProbed{Tool: pick(rt, []string{"", "Bash"}, "tool"), Evidence: "/e", Screen: pick(rt, []string{"", "words"}, "screen")}}
	case event.ActAnswer, event.ActInterrupt, event.ActClose:
	}
	return nil
}

func (w *world) someRecord(rt *rapid.T, gen int) {
	r := event.Record{
		Time: w.now, Gen: gen, Src: "hook",
		State: pick(rt, []event.RecordState{
			event.RecordWorking, event.RecordWorking, event.RecordIdle, event.RecordIdle, event.RecordWaiting,
			event.RecordDone, event.RecordError, event.RecordLimited, event.RecordLaunched, event.RecordExited, "", "dancing",
		}, "record"),
		Prompted:    rapid.Bool().Draw(rt, "prompted"),
		Background:  die(rt, 5, "background") == 0,
		Interrupted: die(rt, 5, "interrupted") == 0,
		Note:        pick(rt, []string{"", "tests", "lint"}, "note"),
	}
	switch r.State {
	case event.RecordWaiting:
		r.Reason = pick(rt, []event.WaitReason{event.WaitPermission, event.WaitQuestion, event.WaitDialog, ""}, "reason")
		r.Request = pick(rt, []string{"", "r1", "r2"}, "request")
	case event.RecordError, event.RecordLimited:
		r.Error = pick(rt, []event.ErrorKind{
			event.ErrorRateLimit, event.ErrorOverloaded, event.ErrorNetwork, event.ErrorAuth, event.ErrorContextFull, "", "strange",
		}, "error")
		if rapid.Bool().Draw(rt, "until") {
			r.Until = w.now.Add(pick(rt, []time.Duration{-time.Hour, time.Hour, 5 * time.Hour}, "reset"))
		}
	default:
	}
	if die(rt, 4, "acks") == 0 {
		r.Message = event.NewMessageID(1 + die(rt, 1+w.task.LastMessage, "message"))
	}
	if die(rt, 6, "used") == 0 {
		r.Usage = &event.Usage{InputTokens: int64(len(w.log)), Turns: len(w.log) / 10}
	}
	if die(rt, 10, "when") == 0 {
		r.Time = pick(rt, []time.Time{{}, w.now.Add(-time.Hour), w.now.Add(time.Hour), w.now.Add(-2 * time.Second)}, "time")
	}
	if die(rt, 20, "stray") == 0 {
		r.SessionID = "another"
	}
	w.do(Reported{Gen: gen, Source: "status", Record: r})
}

func (w *world) someExit(rt *rapid.T, gen int) {
	w.do(Exited{
		Lack:   pick(rt, []string{"", "", "", "no room"}, "lack"),
		Gen:    gen,
		Cause:  pick(rt, []event.ExitCause{event.CauseOwn, event.CauseOwn, event.CauseEnded, event.CauseLost}, "cause"),
		Exit:   pick(rt, []int{0, 0, 1}, "exit"),
		Signal: pick(rt, []int{0, 0, 9}, "signal"),
		Known:  die(rt, 5, "known") > 0,
	})
}

func (w *world) someRequest(rt *rapid.T) {
	w.write(pick(rt, []event.Payload{
		event.SendRequested{Message: event.NewMessageID(w.task.LastMessage + 1), Text: "hello"},
		event.SendRequested{Message: event.NewMessageID(w.task.LastMessage + 1), Text: "hello"},
		event.AnswerRequested{Request: "r1", Decision: event.Allow},
		event.AnswerRequested{Request: "r2", Decision: event.Deny, Text: "no"},
		event.AnswerRequested{Decision: event.Reply, Text: "blue"},
		event.InterruptRequested{},
		event.RetryRequested{Allow: []event.FindingKind{event.DeletedTests}},
		event.RetryRequested{},
		event.RemoveRequested{},
		event.RestoreRequested{Ref: "refs/muster/keep/1"},
		event.StopRequested{},
	}, "request"))
}

// someHostility makes a step that never happens in a correct world: a late, duplicated or foreign input, or one out
// of order.
func (w *world) someHostility(rt *rapid.T) {
	switch die(rt, 11, "hostility") {
	case 0:
		w.do(Finished{ID: event.NewActionID(die(rt, w.task.LastAction+3, "id")), Facts: []event.Payload{
			pick(rt, []event.Payload{
				readyFact(), launchedFact(w.task.Gen), green("x"), publishedFact(),
				event.MessageMoved{Message: "m1", To: event.MessageWaiting},
				event.TaskMoved{From: event.Done, To: event.Working},
				event.SlotReleased{},
				event.GenerationStarted{},
				event.Unknown{Name: "moon.landed"},
			}, "fact"),
		}})
	case 1:
		w.do(Due{Name: pick(rt, []event.DeadlineName{
			event.DeadlineTimeout, event.DeadlineFirstRecord, event.DeadlineRestart, event.DeadlineWaiting, event.DeadlineAPIRetry,
			event.DeadlineAck, event.DeadlineShut, event.DeadlineSilence, event.DeadlineStall, event.DeadlineReview, event.DeadlineKeep, "strange",
		}, "deadline")})
	case 10:
		w.do(pick(rt, []Input{
			Roomy{},
			Begun{ID: event.NewActionID(die(rt, w.task.LastAction+3, "begun"))},
			Met{Job: event.JobStarted{Action: event.NewActionID(die(rt, w.task.LastAction+3, "met")), For: event.ActCheck, Name: "round", Run: 1}},
		}, "room"))
	case 2:
		w.someRecord(rt, w.task.Gen+pick(rt, []int{-1, 1}, "gen"))
	case 3:
		w.someExit(rt, w.task.Gen+pick(rt, []int{-1, 1}, "gen"))
	case 4:
		w.write(event.SlotGranted{})
	case 5:
		w.write(pick(rt, []event.Payload{event.DepsMet{}, event.DepsFailed{On: "t9", State: event.Failed}, event.Unknown{Name: "moon.landed"}}, "fleet"))
	case 6:
		w.do(Shelve{})
	case 7:
		if d, ok := w.task.Deadline(event.DeadlineSilence); ok && d.At.After(w.now) {
			w.now = d.At
		}
		w.do(Due{
			Name: event.DeadlineSilence, Quiet: pick(rt, []time.Duration{-time.Minute, time.Minute, 10 * time.Minute, time.Hour}, "quiet"),
			Most: rapid.Bool().Draw(rt, "most"),
		})
	case 8:
		w.do(Slept{Gap: pick(rt, []time.Duration{-time.Hour, time.Second, 6 * time.Hour}, "gap")})
	case 9:
		if rapid.Bool().Draw(rt, "reviewed") {
			head := ""
			if p := w.task.Published; p != nil {
				head = p.Commit
			}
			w.do(pick(rt, []Input{
				Reviewed{Phase: ReviewMerged}, Reviewed{Phase: ReviewOpen, Head: head, Waits: "test has not ended"}, Merged{Commit: "m1"}, Unmerged{Why: event.MergeConflicts, Branch: "main", Files: []string{"a.go"}},
			}, "review"))
		} else {
			w.do(Refused{Gen: w.task.Gen, Source: "status", Why: "not a record"})
		}
	}
}

// dull continues without inputs from outside: actions end in some way, time passes, and slots are free. From every
// state the task must come to rest.
func (w *world) dull(rt *rapid.T) {
	const enough = 20_000
	luck := die(rt, 3, "luck")
	for n := range enough {
		at := firstDeadlineOf(w.task)
		switch {
		case len(w.task.Open) > 0:
			w.dullOutcome(w.task.Open[0], luck == 0 || luck == 1 && n%2 == 0)
		case w.task.State.Final() || w.task.State == event.Parked:
			return
		case w.task.NeedsSlot() || w.task.State == event.Blocked || w.task.State == event.Queued:
			w.someSlot()
		case at == nil:
			w.t.Fatalf("nothing is open, no deadline stands, and it is %s: %s", w.task.State, asJSON(w.task))
		default:
			if at.At.After(w.now) {
				w.now = at.At
			}
			w.do(Due{Name: at.Name})
		}
	}
	w.t.Fatalf("no rest after %d steps: %s", enough, asJSON(w.task))
}

func firstDeadlineOf(t Task) *Deadline {
	if d, ok := firstDeadline(t); ok {
		return &d
	}
	return nil
}

func (w *world) dullOutcome(a event.Action, good bool) {
	in := Finished{ID: a.ID}
	if !good {
		in.Failure = &Failure{Kind: FailAgain, Text: "it failed"}
		w.do(in)
		return
	}
	switch a.Kind() {
	case event.ActPrepare:
		in.Facts = []event.Payload{readyFact()}
	case event.ActStart:
		in.Facts = []event.Payload{launchedFact(a.Gen)}
	case event.ActCheck:
		in.Facts = []event.Payload{red(fmt.Sprint(len(w.log)), "no")}
	case event.ActPublish:
		in.Facts = []event.Payload{publishedFact()}
	case event.ActProbe:
		in.Facts = []event.Payload{event.AgentProbed{}}
	default:
	}
	w.do(in)
}
