package fleettest

import (
	"context"
	"fmt"
	"hash"
	"reflect"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/scarce"
)

// Move is one transition of the state machine in life: a rule, and the state in which it was applied.
type Move struct {
	Rule string
	From event.State
}

// judge folds the log itself and compares the result with the invariants and with the world.
type judge struct {
	tasks map[event.TaskID]life.Task
	// accounts are folded like the tasks.
	accounts map[event.AccountID]life.Account
	queues   map[event.QueueID]life.Queue
	moves    map[Move]int
	events   int
	game     hash.Hash64 // of the time, subject and kind of every event
	seq      int64       // the newest event that was judged
	fleetAt  int         // number of events at the last check of the whole fleet

	parked, waiting map[event.TaskID]bool
	uses            map[event.TaskID]*use
	broken          map[event.TaskID]bool         // whose turn was interrupted for its silence, and whose agent has had no prompt since
	over            map[event.TaskID]time.Time    // when a task was told to stop, or ended
	woke            map[event.AccountID]time.Time // when an account last stopped to rest
}

// use is how long an agent could have worked on its task since its last launch.
type use struct {
	sum    time.Duration
	since  time.Time     // zero while it could not work
	jumped time.Duration // how far the clock had been set forward at the launch
}

// jobPatience is how long a job may keep running after its task has ended. It is longer than any downtime of the
// fleet.
const jobPatience = 3 * time.Hour

// shortPatience is how long the log may report a shortage after the machine had one.
const shortPatience = 3 * time.Hour

// kept reports whether a task that met a shortage may try again only since a moment ago, because its account rested. The
// caller holds mu.
func (w *World) kept() bool {
	for _, t := range w.judge.tasks {
		if t.PutOff != nil && (time.Since(w.judge.woke[t.Account()]) < shortPatience || time.Since(w.judge.woke[event.NightBudget]) < shortPatience) {
			return true
		}
	}
	return false
}

// judgeMove checks a change of state. The caller holds mu.
func (w *World) judgeMove(id event.TaskID, p event.TaskMoved) {
	j := &w.judge
	if p.To.Final() || p.To == event.Parked {
		if _, stopped := j.over[id]; !stopped {
			j.over[id] = time.Now()
		}
	} else if p.From == event.Parked {
		delete(j.over, id)
	}
	if p.Rule == "launch" {
		j.uses[id] = &use{jumped: w.jumped}
	}
	u := j.uses[id]
	if u == nil {
		return
	}
	if !u.since.IsZero() {
		u.sum += time.Since(u.since)
		u.since = time.Time{}
	}
	switch p.To {
	case event.Starting, event.Working, event.Stalled, event.Publishing:
		u.since = time.Now()
	default: // it could not work
	}
	limit := j.tasks[id].Spec.Timeout
	if at := u.sum + w.jumped - u.jumped; p.Rule == "timeout" && at < limit-time.Minute {
		w.breach("%s: its time is said to be over, and its agent could have worked for %s of %s", id, at, limit)
	}
	switch p.Rule {
	case "prepare.failed", "checks.broken", "publish.refused":
		if strings.Contains(p.Detail, context.DeadlineExceeded.Error()) {
			w.breach("%s: it is parked because git took its time: %s", id, p.Detail)
		}
	}
}

// judgeCommit checks the events of a transaction. The caller holds mu.
func (w *World) judgeCommit(events []event.Event) {
	j := &w.judge
	touched := map[event.TaskID]bool{}
	for _, e := range events {
		j.events++
		_, _ = fmt.Fprintf(j.game, "%d %s %s\n", e.Time.UnixNano(), e.Subject.Key(), e.Kind())
		w.judgeEvent(e)
		if e.Task != "" {
			touched[e.Task] = true
		}
	}
	for id, a := range j.accounts { // they are few
		if wrong := life.BrokenAccount(a); wrong != "" {
			w.breach("account %s: %s", id, wrong)
		}
	}
	for id := range touched {
		t := j.tasks[id]
		if wrong := life.Broken(t); wrong != "" {
			w.breach("%s in %s: %s", id, t.State, wrong)
		}
		mark(j.parked, id, t.State == event.Parked && !t.Removed)
		mark(j.waiting, id, t.State == event.Waiting && t.Request != nil)
	}
	if j.events-j.fleetAt >= 1000 {
		j.fleetAt = j.events
		w.judgeFleet()
	}
}

func mark(m map[event.TaskID]bool, id event.TaskID, on bool) {
	if on {
		m[id] = true
	} else {
		delete(m, id)
	}
}

// judgeEvent checks one event. The caller holds mu.
func (w *World) judgeEvent(e event.Event) {
	j := &w.judge
	switch p := e.Data.(type) {
	case event.DispatchRequested:
		if of := p.Spec.Review; of != nil {
			w.names[e.Task] = fmt.Sprintf("review %d of %s", of.Round, w.names[of.Task])
			w.judgeReviewers(*of)
		}
	case event.TaskMoved:
		j.moves[Move{p.Rule, p.From}]++
		w.judgeMove(e.Task, p)
		if p.Rule == "turn.ended" && j.broken[e.Task] {
			w.breach("%s: a turn is judged that was interrupted for its silence", e.Task)
		}
	case event.StallStaged:
		if turn := j.tasks[e.Task].Agent.Turn; p.Stage == event.StageInterrupt && (turn == life.TurnBusy || turn == life.TurnInterrupting) {
			j.broken[e.Task] = true
		}
	case event.InterruptRequested:
		delete(j.broken, e.Task) // the person decides
	case event.AgentReported:
		if s := p.Record.State; p.Record.Prompted || s == event.RecordError || s == event.RecordLimited {
			delete(j.broken, e.Task)
		}
	case event.StopRequested:
		j.over[e.Task] = time.Now()
	case event.RoundFinished:
		// A reviewer has a fence of its own, and what muster itself finds needs none.
		ran := func(r event.CheckResult) bool { return r.Review == "" && r.Run != "muster" }
		if spec := j.tasks[e.Task].Spec; spec.Fence != nil && p.Fence == nil && p.Void == "" && slices.ContainsFunc(p.Results, ran) {
			w.breach("%s: the log does not say in which fence round %d was judged", e.Task, p.Round)
		}
		for _, r := range p.Results {
			if p.Reused && !r.Green() {
				w.breach("%s: a red verdict was taken from the round before, and nobody looked again", e.Task)
			}
		}
	case event.GenerationStarted:
		delete(j.broken, e.Task)
		for _, id := range []event.AccountID{j.tasks[e.Task].Account(), event.NightBudget} {
			if a := j.accounts[id]; a.Resting() {
				w.breach("%s: generation %d is started on account %s, which rests", e.Task, e.Gen, a.ID)
			}
		}
	case event.AccountWoke:
		j.woke[e.Account] = time.Now()
	case event.GateClosed:
		if p.Reason != "memory" && time.Since(w.shortAt) > shortPatience && !w.kept() {
			w.breach("nothing new starts, and the machine lacks nothing: %s", p.Reason)
		}
	case event.AgentLaunched:
		if j.tasks[e.Task].Spec.Setup != "" && w.work(e.Task).there && !w.work(e.Task).ready {
			w.breach("%s: its agent works where nothing was set up", e.Task)
		}
		if t := j.tasks[e.Task]; t.Spec.Fence != nil && t.Agent.Fenced == nil {
			w.breach("%s: the log does not say in which fence generation %d was started", e.Task, e.Gen)
		}
	case event.AgentExited:
		if p.Known && (p.Exit == scarce.ExitStatus || p.Exit == scarce.HeldExitStatus) && p.Cause == event.CauseOwn {
			w.breach("%s: its agent is blamed for what the machine lacked", e.Task)
		}
	case event.MessageMoved:
		if p.To != event.MessageAcked {
			break
		}
		delete(j.broken, e.Task) // it was given to what follows that turn, or its interrupt failed
		if w.work(e.Task).heard[p.Message] == 0 {
			w.breach("%s: message %s is said to have arrived, and it has not (%s)", e.Task, p.Message, p.Evidence)
		}
	}
	if e.Account != "" {
		j.accounts[e.Account] = life.ApplyAccount(j.accounts[e.Account], e)
		return
	}
	if e.Queue != "" {
		w.judgeQueue(e)
		return
	}
	if e.Task == "" {
		return
	}
	if wrong := life.BrokenBy(j.tasks[e.Task], e); wrong != "" {
		w.breach("%s, event %d: %s", e.Task, e.Seq, wrong)
	}
	j.tasks[e.Task] = life.Apply(j.tasks[e.Task], e)
}

// judgeFleet checks the fleet as a whole: the fold of the log equals the tasks in the store, at most twice as many
// slots are taken as there are, and the log knows every generation that runs. The caller holds mu.
func (w *World) judgeFleet() {
	ctx := context.Background()
	slots := 0
	for id, t := range w.judge.tasks {
		if t.State.Final() && !t.Slot && !t.Agent.Live && len(t.Open) == 0 {
			continue
		}
		if t.Slot && !t.SharesSlot() {
			slots++
		}
		if was, err := w.Log.Task(ctx, id); err != nil || !reflect.DeepEqual(t, was) {
			if seen, err := w.Log.Task(ctx, id); err != nil || seen.State != t.State { // a request may be new
				w.breach("%s: the log folds to %s, the store says %s (%v)", id, t.State, seen.State, err)
			}
		}
	}
	if slots > 2*w.slots { // agents that go on by themselves may take more slots than there are; new ones never do
		w.breach("%d of %d slots are taken", slots, w.slots)
	}
	for id, all := range w.byTask {
		t := w.judge.tasks[id]
		for _, p := range all {
			if p.agent && p.gen > t.Gen {
				w.breach("%s: generation %d runs, and the log knows %d", id, p.gen, t.Gen)
			}
		}
	}
}

// judgeRest checks a fleet that has nothing left to do: no task holds a slot that it does not need, no process of a
// task runs, and every message is settled. The caller holds mu.
func (w *World) judgeRest() {
	w.judgeFleet()
	w.judgeMerged()
	w.judgeRaces()
	for id, t := range w.judge.tasks {
		if !resting(t) {
			w.breach("%s is not at rest: it is %s (%s), open %v, deadlines %v", id, t.State, t.Detail, t.Open, t.Deadlines)
		}
		if w.unseen(t) {
			w.breach("%s waits for a verdict, and nobody has seen what became of its change: %s", id, w.work(id).pull.shown.Phase)
		}
		if t.Slot {
			w.breach("%s is %s and holds a slot", id, t.State)
		}
		for _, p := range w.byTask[id] {
			w.breach("%s is %s, and process %d of generation %d runs", id, t.State, p.pid, p.gen)
		}
		if t.State == event.Done && t.Spec.Publish != event.PublishNone && len(w.work(id).published) == 0 {
			w.breach("%s is done, and nothing of it was published", id)
		}
	}
}

// intended checks that the log has the intent of an action before it is carried out. The caller holds mu.
func (w *World) intended(id event.TaskID, kind event.ActionKind, action event.ActionID) {
	if open, ok := w.judge.tasks[id].Action(kind); !ok || open.ID != action {
		w.breach("%s: %s %s is done, and the log does not intend it", id, kind, action)
	}
}

// resting reports whether a task has ended or waits for a person.
func resting(t life.Task) bool {
	if _, merges := t.MergeEntry(); merges {
		return false
	}
	if t.AwaitsRace() {
		return false // it is decided as soon as the last racer rests
	}
	if t.Left() {
		return false // its end is tried again
	}
	return (t.State.Final() || t.State == event.Parked || t.State == event.Blocked || t.State == event.InReview) && len(t.Open) == 0 && !t.Agent.Live
}
