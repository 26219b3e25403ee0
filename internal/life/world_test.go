package life

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"muster/internal/event"
)

// failer has the common methods of *testing.T and *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is one task, a clock, and all decisions so far. After each step it checks the invariants of a task.
type world struct {
	t       failer
	task    Task
	now     time.Time
	log     []event.Event
	actions []event.Action
	quiet   time.Duration // idle time of the agent when DeadlineSilence passes; 0 means that it was just active
	most    bool          // whether most other agents are silent, too
}

var dawn = time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)

// The kinds of agent in the tests.
var (
	hooked  = event.Traits{Door: event.DoorMailbox, FirstRecord: 30 * time.Second, Resumes: true}
	pasted  = event.Traits{Door: event.DoorPaste, FirstRecord: 10 * time.Second, Resumes: true}
	command = event.Traits{Door: event.DoorRespawn, ExitIsTurn: true}
)

func testSpec() event.Spec {
	return event.Spec{
		Name: "fix", Slug: "fix", Summary: "fix it", Repo: "/repo", Base: "main", Agent: "some", Kind: "some",
		Traits: hooked, Publish: event.PublishBranch, Checks: []event.Check{{Name: "test", Run: "make test", Timeout: time.Minute}},
		Attempts: 3, Respawns: 20, Rounds: 5, Timeout: 3 * time.Hour, WaitLimit: 15 * time.Minute, Keep: 24 * time.Hour,
		Silence: 10 * time.Minute, SilenceInTool: time.Hour,
	}
}

// newWorld dispatches a task.
func newWorld(t failer, change ...func(*event.Spec)) *world {
	spec := testSpec()
	for _, c := range change {
		c(&spec)
	}
	w := &world{t: t, now: dawn}
	w.fold(event.Event{Seq: 1, Time: w.now, Subject: event.OfTask("t1"), Data: event.DispatchRequested{Spec: spec, Prompt: "fix it"}})
	return w
}

func traits(tr event.Traits) func(*event.Spec) { return func(s *event.Spec) { s.Traits = tr } }

func asText(t Task) string {
	b, err := json.Marshal(t)
	return fmt.Sprintf("%s%v", b, err)
}

func (w *world) fold(e event.Event) {
	e.Seq = int64(len(w.log) + 1)
	w.log = append(w.log, e)
	w.task = Apply(w.task, e)
}

// do makes a decision about an input, and returns the actions.
func (w *world) do(in Input) []event.Action {
	w.t.Helper()
	before := w.task
	was := asText(before)
	events, actions := Decide(before, in, w.now)
	for _, e := range events {
		w.fold(e)
	}
	w.actions = append(w.actions, actions...)
	if asText(before) != was {
		w.t.Fatalf("%T%+v: the task that was given was changed in place", in, in)
	}
	if wrong := judgeStep(before, in, w.now, events, actions, w.task); wrong != "" {
		w.t.Fatalf("%T%+v in %s: %s\ntask: %s\nevents: %s", in, in, before.State, wrong, asJSON(w.task), asJSON(events))
	}
	return actions
}

// write appends an event of another process: it is folded first, and then Decide handles its consequences.
func (w *world) write(p event.Payload) {
	w.t.Helper()
	w.fold(event.Event{Time: w.now, Subject: event.OfTask(w.task.ID), Data: p})
	w.do(Heard{Payload: p})
}

func (w *world) granted() {
	w.t.Helper()
	if !w.task.NeedsSlot() {
		w.t.Fatalf("the task stands in no line: %s", asJSON(w.task))
	}
	w.write(event.SlotGranted{})
}

func (w *world) open(kind event.ActionKind) event.Action {
	w.t.Helper()
	a, ok := w.task.Action(kind)
	if !ok {
		w.t.Fatalf("no %s is open: %s", kind, asJSON(w.task.Open))
	}
	return a
}

// argsOf returns the arguments of the open action of their kind.
func argsOf[A event.Args](w *world) A {
	w.t.Helper()
	var a A
	return w.open(a.Action()).Args.(A)
}

// finish ends the open action of a kind successfully.
func (w *world) finish(kind event.ActionKind, facts ...event.Payload) {
	w.t.Helper()
	w.do(Finished{ID: w.open(kind).ID, Facts: facts})
}

func (w *world) fail(kind event.ActionKind, how FailureKind) {
	w.t.Helper()
	w.do(Finished{ID: w.open(kind).ID, Failure: &Failure{Kind: how, Text: string(kind) + " went wrong"}})
}

// report takes a record of the newest generation, one second after the previous input.
func (w *world) report(r event.Record) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	r.Time, r.Gen = w.now, w.task.Gen
	w.do(Reported{Gen: w.task.Gen, Source: "status", Record: r})
}

func (w *world) says(state event.RecordState) {
	w.t.Helper()
	w.report(event.Record{State: state})
}

func (w *world) asks(request string) {
	w.t.Helper()
	w.report(event.Record{State: event.RecordWaiting, Reason: event.WaitPermission, Request: request, Note: "may I?"})
}

func (w *world) errs(kind event.ErrorKind) {
	w.t.Helper()
	w.report(event.Record{State: event.RecordError, Error: kind})
}

func (w *world) exit(cause event.ExitCause, status int) {
	w.t.Helper()
	w.do(Exited{Gen: w.task.Gen, Cause: cause, Exit: status, Known: true})
}

// advance lets time pass. Each deadline in it is due at its own time.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for range 10_000 {
		first, ok := firstDeadline(w.task)
		if !ok || first.At.After(end) {
			w.now = end
			return
		}
		if first.At.After(w.now) {
			w.now = first.At
		}
		w.do(Due{Name: first.Name, Quiet: w.quiet, Most: w.most})
	}
	w.t.Fatalf("deadlines without end: %s", asJSON(w.task.Deadlines))
}

func firstDeadline(t Task) (Deadline, bool) {
	if len(t.Deadlines) == 0 {
		return Deadline{}, false
	}
	return slices.MinFunc(t.Deadlines, func(a, b Deadline) int { return a.At.Compare(b.At) }), true
}

func readyFact() event.Payload {
	return event.WorktreeReady{Path: "/w/t1-fix", Branch: "muster/t1-fix", Base: "c0"}
}

func launchedFact(gen int) event.Payload {
	return event.AgentLaunched{Process: event.ProcessRef{PID: 100 + gen, Start: uint64(gen)}, Pane: fmt.Sprintf("%%%d", gen), Session: "t1-fix"}
}

func green(tree string) event.RoundFinished {
	return event.RoundFinished{Commit: "c" + tree, Tree: tree, Changed: true, Environment: "e", Results: []event.CheckResult{{Name: "test", Run: "make test"}}}
}

func red(tree, says string) event.RoundFinished {
	r := green(tree)
	r.Results[0].Exit, r.Results[0].Excerpt = 2, says
	return r
}

func publishedFact() event.Payload {
	return event.WorkPublished{Mode: event.PublishBranch, Branch: "muster/t1-fix", Commit: "c9", Tree: "x"}
}

// prepare continues to the start of an agent.
func (w *world) prepare() *world {
	w.t.Helper()
	w.granted()
	w.finish(event.ActPrepare, readyFact())
	return w
}

// prepared does the same, also for a task with dependencies.
func (w *world) prepared() *world {
	w.t.Helper()
	if !w.task.DepsMet {
		w.write(event.DepsMet{})
	}
	return w.prepare()
}

func (w *world) finishIf(kind event.ActionKind, facts ...event.Payload) {
	w.t.Helper()
	if _, open := w.task.Action(kind); open {
		w.finish(kind, facts...)
	}
}

// launch continues to an agent that was launched.
func (w *world) launch() *world {
	w.t.Helper()
	w.finish(event.ActStart, launchedFact(w.task.Gen))
	return w
}

// work continues to an agent in the middle of its turn.
func (w *world) work() *world {
	w.t.Helper()
	w.prepared().launch()
	w.prompted()
	return w.want(event.Working, "")
}

func (w *world) prompted() {
	w.t.Helper()
	w.report(event.Record{State: event.RecordWorking, Prompted: true})
}

// endTurn continues to the checks.
func (w *world) endTurn() *world {
	w.t.Helper()
	if w.task.Spec.Traits.ExitIsTurn {
		w.exit(event.CauseOwn, 0)
	} else {
		w.says(event.RecordIdle)
	}
	return w.want(event.Checking, "")
}

// take makes the agent take the waiting feedback and work on.
func (w *world) take() *world {
	w.t.Helper()
	if w.task.Spec.Traits.ExitIsTurn {
		return w.launch()
	}
	m := w.open(event.ActDeliver).Message()
	w.finish(event.ActDeliver)
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: m})
	return w
}

// park continues to a parked task without an agent, whose checks were red too often.
func (w *world) park() *world {
	w.t.Helper()
	w.work().endTurn()
	w.finish(event.ActCheck, red("x", "no"))
	w.take().endTurn()
	w.finish(event.ActCheck, red("x", "no"))
	w.want(event.Parked, ReasonNoProgress)
	w.finish(event.ActEnd)
	return w
}

func (w *world) want(state event.State, reason event.Reason) *world {
	w.t.Helper()
	if w.task.State != state || w.task.Reason != reason {
		w.t.Fatalf("state is %s (%s: %s), want %s (%s)\ntask: %s", w.task.State, w.task.Reason, w.task.Detail, state, reason, asJSON(w.task))
	}
	return w
}

// wantOpen compares the kinds of the open actions.
func (w *world) wantOpen(kinds ...event.ActionKind) *world {
	w.t.Helper()
	var got []event.ActionKind
	for _, a := range w.task.Open {
		got = append(got, a.Kind())
	}
	if !slices.Equal(got, kinds) {
		w.t.Fatalf("open actions are %v, want %v (state %s)", got, kinds, w.task.State)
	}
	return w
}

func (w *world) wantMessage(id event.MessageID, state event.MessageState) *world {
	w.t.Helper()
	m, ok := w.task.Message(id)
	if !ok || m.State != state {
		w.t.Fatalf("message %s is %+v, want %s\nall: %s", id, m, state, asJSON(w.task.Messages))
	}
	return w
}

func (w *world) wantGen(gen, attempt int) *world {
	w.t.Helper()
	if w.task.Gen != gen || w.task.Attempt != attempt {
		w.t.Fatalf("generation %d of attempt %d, want %d of %d", w.task.Gen, w.task.Attempt, gen, attempt)
	}
	return w
}

// last returns the last action of a kind that was decided.
func (w *world) last(kind event.ActionKind) event.Action {
	w.t.Helper()
	for _, a := range slices.Backward(w.actions) {
		if a.Kind() == kind {
			return a
		}
	}
	w.t.Fatalf("no %s was decided", kind)
	return event.Action{}
}

func (w *world) count(kind event.ActionKind) int {
	n := 0
	for _, a := range w.actions {
		if a.Kind() == kind {
			n++
		}
	}
	return n
}

// text returns the text of a message by muster.
func (w *world) text(id event.MessageID) string {
	w.t.Helper()
	for _, e := range w.log {
		if p, ok := e.Data.(event.MessageQueued); ok && p.Message == id {
			return p.Text
		}
	}
	w.t.Fatalf("muster never wrote message %s", id)
	return ""
}

func (w *world) rules() []string {
	var out []string
	for _, e := range w.log {
		if p, ok := e.Data.(event.TaskMoved); ok {
			out = append(out, p.Rule)
		}
	}
	return out
}

var _ failer = (*testing.T)(nil)
