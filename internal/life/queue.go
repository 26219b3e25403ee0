package life

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
)

// Queue is the state of a merge queue: the fold of its events. There is one for each base branch of a repository. Its
// entries have green evidence of their own; what it finds out is whether they pass together.
type Queue struct {
	ID     event.QueueID `json:"id"`
	Branch string        `json:"branch,omitempty"`  // the base
	GitDir string        `json:"git_dir,omitempty"` // of the repository
	// Entries is the work that waits, the oldest first, except that work which was found red together comes first.
	Entries []event.MergeEntry `json:"entries,omitempty"`
	// Most is how many entries a new batch may have; 0 is firstBatch.
	Most int `json:"most,omitempty"`
	// Suspects is how many of the first entries are known to be red together on Base.
	Suspects int            `json:"suspects,omitempty"`
	Batch    *Batch         `json:"batch,omitempty"`  // what was built, until it has landed or was found red
	Base     string         `json:"base,omitempty"`   // the newest known commit of the base
	Greens   []string       `json:"greens,omitempty"` // lanes, trees and environments with a green verdict, the newest last
	Red      *Red           `json:"red,omitempty"`    // the newest red verdict
	Held     *QueueHeld     `json:"held,omitempty"`
	Voids    int            `json:"voids,omitempty"`    // verdicts in a row that did not count
	Troubles int            `json:"troubles,omitempty"` // holds in a row
	Lately   []event.TaskID `json:"lately,omitempty"`   // whose work has landed, the newest last
	LandedAt time.Time      `json:"landed_at,omitzero"`

	Run        *event.JobStarted `json:"run,omitempty"`  // the newest run of checks
	Open       []event.Action    `json:"open,omitempty"` // intended, not finished; at most one
	LastAction int               `json:"last_action,omitempty"`
	Deadlines  []Deadline        `json:"deadlines,omitempty"`
}

// Batch is work that was merged together, and waits for its verdict or to land.
type Batch struct {
	event.MergeBuilt
	Lane  string `json:"lane"`
	Fresh bool   `json:"fresh,omitempty"` // nothing was known about its entries together
	Void  bool   `json:"void,omitempty"`  // one of its tasks was withdrawn
}

// Red is a red verdict on what was built.
type Red struct {
	event.MergeJudged
	Lane string `json:"lane"`
}

// QueueHeld is why a queue cannot go on now.
type QueueHeld struct {
	event.MergeHeld
	Since time.Time `json:"since"`
	Looks int       `json:"looks,omitempty"` // at a red base since its newest verdict
	// Tried lists the tasks whose work does not mend the red base by itself.
	Tried []event.TaskID `json:"tried,omitempty"`
}

const (
	// firstBatch is how much work the first batch of a queue has, and mostBatch how much one has at most. A batch of 8
	// that doubles on green and is halved on red needs the fewest runs over nights with few and with many failures.
	firstBatch = 8
	mostBatch  = 16
	// keptGreens and keptLanded bound what a queue remembers.
	keptGreens = 64
	keptLanded = 8
)

// MergeJoin is an input of DecideQueue: the work of a task waits to be merged.
type MergeJoin struct {
	Entry          event.MergeEntry
	Branch, GitDir string
}

// MergeLeave is an input of DecideQueue: the task does not wait any more.
type MergeLeave struct {
	Task  event.TaskID
	State event.State
}

// MergeLook is an input of DecideQueue: something may have changed that it waits for.
type MergeLook struct{}

func (MergeJoin) input()  {}
func (MergeLeave) input() {}
func (MergeLook) input()  {}

// Told is what a decision about a queue means for a task.
type Told struct {
	Task  event.TaskID
	Input Input
}

// Has reports whether exactly this work waits in the queue.
func (q Queue) Has(e event.MergeEntry) bool { return slices.Contains(q.Entries, e) }

// Place returns the position of a task in the queue, from 1 on; 0 if it is not there.
func (q Queue) Place(id event.TaskID) int {
	return slices.IndexFunc(q.Entries, func(e event.MergeEntry) bool { return e.Task == id }) + 1
}

// Job returns the newest run of checks if it has this name.
func (q Queue) Job(name string) (event.JobStarted, bool) {
	if q.Run == nil || q.Run.Name != name {
		return event.JobStarted{}, false
	}
	return *q.Run, true
}

// QueueOf returns the merge queue of a task: that of its base branch in its repository.
func QueueOf(t Task) event.QueueID {
	return event.QueueID(t.Spec.Base + "@" + cmp.Or(t.Spec.GitDir, t.Spec.Repo))
}

// lane returns the lane of a task: a name for everything that its verdict depends on besides the tree, and for the style in
// which it lands.
func lane(s event.Spec) string {
	b, err := json.Marshal(struct {
		Checks  []event.Check
		Setup   string
		Copy    []string
		Env     map[string]string
		EnvFrom []string
		Fence   *event.Fence
		Style   event.MergeStyle `json:",omitempty"`
	}{s.Checks, s.Setup, s.Copy, s.Env, s.EnvFrom, s.Fence, s.Style})
	if err != nil {
		return "" // these types have no value that cannot be encoded
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))[:16]
}

// queueStep is one decision about a queue.
type queueStep struct {
	q       Queue
	may     bool
	now     time.Time
	events  []event.Event
	actions []event.Action
	told    []Told
}

// DecideQueue makes every decision about one merge queue, as Decide does for a task. may is false while nothing new may
// start: the fleet goes down, or admission is closed. told has what follows for tasks.
func DecideQueue(q Queue, in Input, may bool, now time.Time) (events []event.Event, actions []event.Action, told []Told) {
	s := &queueStep{q: q, may: may, now: now}
	switch in := in.(type) {
	case MergeJoin:
		s.join(in)
	case MergeLeave:
		if s.q.Place(in.Task) > 0 {
			s.emit(event.MergeWithdrawn(in))
		}
	case Finished:
		s.finished(in)
	case Met:
		if _, open := s.q.action(in.Job.Action); open {
			s.emit(in.Job)
		}
	case Due:
		if d, set := deadline(s.q.Deadlines, in.Name); set && !d.At.After(now) {
			s.emit(event.DeadlineCleared{Name: in.Name})
		}
	case Slept:
		for _, d := range s.q.Deadlines {
			s.emit(event.DeadlineSet{Name: d.Name, At: d.At.Add(in.Gap)})
		}
	}
	s.settle()
	return s.events, s.actions, s.told
}

func (q Queue) action(id event.ActionID) (event.Action, bool) {
	i := slices.IndexFunc(q.Open, func(a event.Action) bool { return a.ID == id })
	if i < 0 {
		return event.Action{}, false
	}
	return q.Open[i], true
}

func (s *queueStep) emit(p event.Payload) {
	e := event.Event{Time: s.now, Subject: event.OfQueue(s.q.ID), Data: p}
	s.events = append(s.events, e)
	s.q = ApplyQueue(s.q, e)
}

func (s *queueStep) act(args event.Args) {
	a := event.Action{ID: event.NewActionID(s.q.LastAction + 1), Args: args}
	s.emit(event.ActionIntended{Action: a})
	s.actions = append(s.actions, a)
}

func (s *queueStep) tell(id event.TaskID, in Input) {
	s.told = append(s.told, Told{Task: id, Input: in})
}

// join puts work at the end of the queue. Other work of the same task is replaced.
func (s *queueStep) join(in MergeJoin) {
	if s.q.Has(in.Entry) {
		return
	}
	if s.q.Place(in.Entry.Task) > 0 {
		s.emit(event.MergeWithdrawn{Task: in.Entry.Task, State: event.InReview})
	}
	s.emit(event.MergeJoined{Entry: in.Entry, Branch: in.Branch, GitDir: in.GitDir})
}

// settle continues the queue: level-triggered, so that a lost event leaves nothing behind. Each action that it starts
// is the only one until its outcome.
func (s *queueStep) settle() {
	if _, pause := deadline(s.q.Deadlines, event.DeadlineMerge); len(s.q.Open) > 0 || pause && len(s.q.Entries) > 0 {
		return
	}
	switch {
	case len(s.q.Entries) == 0:
		s.rest()
	case !s.may:
	case s.q.Held != nil && s.q.Held.For == event.MergeWaitBase:
		s.awaitBase()
	case s.q.Batch != nil && !s.q.Batch.Void:
		s.proceed(*s.q.Batch)
	default:
		s.build()
	}
}

// rest ends what an empty queue was held for.
func (s *queueStep) rest() {
	if _, set := deadline(s.q.Deadlines, event.DeadlineMerge); set {
		s.emit(event.DeadlineCleared{Name: event.DeadlineMerge})
	}
	if s.q.Held != nil {
		s.emit(event.MergeResumed{})
	}
}

// build builds the next batch: half of those that are red together, else as many as a new batch may have. Only work of
// one lane is judged together.
func (s *queueStep) build() {
	first := s.q.Entries[0]
	n, among := cmp.Or(s.q.Most, firstBatch), s.q.Entries
	if s.q.Suspects > 0 {
		n, among = (s.q.Suspects+1)/2, s.q.Entries[:s.q.Suspects]
	}
	var batch []event.MergeEntry
	for _, e := range among {
		if e.Lane == first.Lane && len(batch) < n {
			batch = append(batch, e)
		}
	}
	s.act(event.BuildArgs{Branch: s.q.Branch, Entries: batch, Lane: first.Lane, Lead: first.Task, Fresh: s.q.Suspects == 0})
}

// buildBase looks at the base alone.
func (s *queueStep) buildBase(of event.MergeEntry) {
	s.act(event.BuildArgs{Branch: s.q.Branch, Lane: of.Lane, Lead: of.Task})
}

// finished handles the outcome of an action.
func (s *queueStep) finished(in Finished) {
	a, open := s.q.action(in.ID)
	if !open {
		return // handled already, by this supervisor or an earlier one
	}
	failure := in.Failure
	var fact event.Payload
	if len(in.Facts) > 0 {
		fact = in.Facts[len(in.Facts)-1]
	}
	if failure == nil && fact == nil {
		failure = &Failure{Kind: FailAgain, Text: string(a.Kind()) + " left no result"}
	}
	text := ""
	if failure != nil {
		text = failure.Text
	}
	if built, ok := fact.(event.MergeBuilt); ok && failure == nil { // its fold needs the arguments of the action
		s.emit(built)
	}
	s.emit(event.ActionFinished{ID: a.ID, What: a.Kind(), Error: text})
	switch args := a.Args.(type) {
	case event.BuildArgs:
		s.built(fact, failure)
	case event.JudgeArgs:
		s.judged(fact, failure)
	case event.LandArgs:
		s.landed(args, failure)
	default: // no other action belongs to a queue
	}
}

// built handles what was merged.
func (s *queueStep) built(fact event.Payload, f *Failure) {
	built, ok := fact.(event.MergeBuilt)
	if f != nil || !ok {
		s.hold(event.MergeHeld{For: event.MergeWaitTrouble, Why: failureText(f)})
		return
	}
	if len(built.There) > 0 {
		s.land(event.MergeLanded{Old: built.Base, New: built.Base, Tasks: s.present(built.There)})
	}
	for _, c := range built.Conflicts {
		if s.q.Place(c.Task) > 0 {
			s.giveBack(c.Task, Unmerged{Why: event.MergeConflicts, Branch: s.q.Branch, Files: c.Files})
		}
	}
	switch {
	case len(built.Tasks) > 0:
	case s.q.Batch != nil:
		s.builtBase(*s.q.Batch)
	case len(built.Left) > 0 && len(built.There)+len(built.Conflicts) == 0: // the first one conflicts with nothing before it
		s.hold(event.MergeHeld{For: event.MergeWaitTrouble, Why: "nothing could be merged, and nothing is in conflict with " + s.q.Branch})
	}
	// settle continues with what was built
}

// present returns those of the tasks that still wait in the queue.
func (s *queueStep) present(all []event.TaskID) []event.TaskID {
	return without(all, func(id event.TaskID) bool { return s.q.Place(id) == 0 })
}

// proceed lands a batch with a green verdict, and has others judged. A verdict that is known is not computed again: a
// single entry on a base that has not moved has the tree of its own evidence.
func (s *queueStep) proceed(b Batch) {
	if len(b.Tasks) == 0 {
		if s.q.green(b, b.Tree) || s.q.Suspects == 0 {
			s.build() // now the entry is known to be the cause, or there is none left
			return
		}
		s.judge(b)
		return
	}
	red := s.q.Red
	switch {
	case s.q.green(b, b.Tree) || s.proven(b):
		s.act(event.LandArgs{Branch: s.q.Branch, Lead: b.Tasks[0], Old: b.Base, New: b.Commit, Tree: b.Tree})
	case red != nil && red.Lane == b.Lane && red.Tree == b.Tree && red.Environment == b.Environment:
		s.verdict(b, event.MergeJudged{
			Base: b.Base, Commit: b.Commit, Tree: b.Tree, Tasks: b.Tasks, Reused: true, Results: red.Results, Environment: red.Environment,
		})
	default:
		s.judge(b)
	}
}

// green reports whether a tree has a green verdict of the lane and the environment of a batch.
func (q Queue) green(b Batch, tree string) bool {
	return slices.Contains(q.Greens, evidence(b, tree))
}

// evidence is the name of a verdict on a tree in the lane and the environment of a batch. Verdicts of versions that did not record
// the environment have a shorter one.
func evidence(b Batch, tree string) string {
	if b.Environment == "" {
		return b.Lane + " " + tree
	}
	return b.Lane + " " + tree + " " + b.Environment
}

// proven reports whether a batch has the tree by which its only entry was judged, in the same environment.
func (s *queueStep) proven(b Batch) bool {
	if len(b.Tasks) != 1 {
		return false
	}
	n := s.q.Place(b.Tasks[0])
	return n > 0 && s.q.Entries[n-1].Tree == b.Tree && b.Environment != "" && s.q.Entries[n-1].Environment == b.Environment
}

func (s *queueStep) judge(b Batch) {
	lead := s.q.Entries[0].Task
	for _, e := range s.q.Entries {
		if e.Lane == b.Lane {
			lead = e.Task
			break
		}
	}
	s.act(event.JudgeArgs{Lead: lead, Commit: b.Commit, Tree: b.Tree, Run: s.q.LastAction + 1})
}

// judged handles the outcome of the checks on a batch.
func (s *queueStep) judged(fact event.Payload, f *Failure) {
	v, ok := fact.(event.MergeJudged)
	b := s.q.Batch
	switch {
	case b == nil:
		return
	case f != nil || !ok:
		v = event.MergeJudged{Void: failureText(f)}
	}
	v.Base, v.Commit, v.Tree, v.Tasks, v.Reused = b.Base, b.Commit, b.Tree, b.Tasks, false
	if v.Void != "" {
		s.emit(v)
		if s.q.Voids >= maxVoids {
			s.hold(event.MergeHeld{For: event.MergeWaitChecks, Why: v.Void})
		}
		return // settle judges it again
	}
	s.verdict(*b, v)
}

// verdict acts on a verdict. A red one of one entry, on a base that is not known to be green, is first a question about
// the base.
func (s *queueStep) verdict(b Batch, v event.MergeJudged) {
	if allGreen(v.Results) {
		s.emit(v)
		return // settle lands it
	}
	if b.Fresh && len(b.Tasks) > 1 {
		v.Most = max(1, cmp.Or(s.q.Most, firstBatch)/2)
	}
	s.emit(v)
	b.Environment = v.Environment
	switch {
	case b.Void: // it says nothing about those that are left
	case len(b.Tasks) == 0:
		s.hold(event.MergeHeld{For: event.MergeWaitBase, Why: redNames(v.Results) + " failed on " + s.q.Branch + " itself", Commit: b.Base})
	case len(b.Tasks) > 1: // settle builds half of it
	case s.q.green(b, b.BaseTree):
		s.giveBack(b.Tasks[0], Unmerged{Why: event.MergeRed, Branch: s.q.Branch, Results: v.Results, With: s.q.Lately})
	case s.may:
		s.buildBase(s.q.Entries[0])
	}
}

// giveBack sends work back to its agent.
func (s *queueStep) giveBack(id event.TaskID, in Unmerged) {
	s.emit(event.MergeReturned{Task: id, Why: in.Why, Detail: in.detail()})
	s.tell(id, in)
}

// landed handles the outcome of landing a batch.
func (s *queueStep) landed(args event.LandArgs, f *Failure) {
	b := s.q.Batch
	switch {
	case b == nil || b.Commit != args.New: // only one thing is done at a time
	case f == nil:
		most := 0
		if b.Fresh {
			most = min(mostBatch, 2*cmp.Or(s.q.Most, firstBatch))
		}
		s.land(event.MergeLanded{Old: args.Old, New: args.New, Tree: args.Tree, Tasks: b.Tasks, Most: most})
	case f.Kind == FailMoved:
		if s.may && len(s.q.Entries) > 0 {
			s.build()
		}
	case f.Kind == FailShut:
		s.hold(event.MergeHeld{For: event.MergeWaitCheckout, Why: f.Text})
	default:
		s.hold(event.MergeHeld{For: event.MergeWaitTrouble, Why: f.Text})
	}
}

// land records what has landed, and tells its tasks.
func (s *queueStep) land(p event.MergeLanded) {
	if len(p.Tasks) == 0 {
		return
	}
	s.emit(p)
	for _, id := range p.Tasks {
		s.tell(id, Merged{Commit: p.New})
	}
}

func failureText(f *Failure) string {
	if f == nil {
		return "it left no result"
	}
	return f.Text
}
