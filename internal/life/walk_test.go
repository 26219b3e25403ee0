package life

import (
	"flag"
	"fmt"
	"hash/maphash"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// The walk is a proof by exhaustion. It begins with a task that was just dispatched and lets happen to it, in every
// order, whatever can happen: records, exits, outcomes of every kind, deadlines in any order, requests of people,
// slots, silence, a fleet that goes down. Two tasks that differ in absolute times and in counters that nothing is
// decided by are one state. A supervisor may die at each step: life has no memory beside the task, so a death is
// that outcomes come again or otherwise than they were, which they do here anyhow, and that requests pile up, which
// the walk with errands has, too. Each state is judged, and from each there must be a way to rest that needs nothing but
// deadlines, slots and the outcomes of actions: once with outcomes that are all good, once with none that is.
var walkFull = flag.Bool("walk.full", false, "walk with all bounds, which takes minutes")

// left is what may still come from outside, so that the walk ends: people write so many messages, the agent asks so
// many questions, meets so many limits and is found silent so often. All else may come any number of times.
type left struct{ messages, questions, limits, silences int8 }

// place is a state of the walk.
type place struct {
	task Task
	now  time.Time
	left left
}

// step kinds: by whom the walk is carried on.
type sure uint8

const (
	never sure = iota // may never come
	good              // will come, if all goes well
	bad               // will come, if nothing goes well
	both
)

// move is something that can happen in a place.
type move struct {
	name string
	sure sure
	do   func(*place) (wrong string)
}

// take decides about an input and judges the step.
func (p *place) take(in Input) string {
	before := p.task
	events, actions := Decide(before, in, p.now)
	if wrong := judgeFold(before, events); wrong != "" {
		return wrong
	}
	for _, e := range events {
		p.task = Apply(p.task, e)
	}
	return judgeActions(events, actions)
}

// at is the time of an input: later than all before it.
func (p *place) later() { p.now = p.now.Add(10 * time.Second) }

func input(name string, by sure, in func(p *place) Input) move {
	return move{name, by, func(p *place) string {
		p.later()
		return p.take(in(p))
	}}
}

// write is a request: folded by the verb, heard by the supervisor. Several pile up while there is none.
func write(name string, payloads ...func(*place) event.Payload) move {
	return move{name, never, func(p *place) string {
		p.later()
		var all []event.Payload
		for _, make := range payloads {
			payload := make(p)
			all = append(all, payload)
			p.task = Apply(p.task, event.Event{Time: p.now, Task: p.task.ID, Data: payload})
		}
		for _, payload := range all {
			if wrong := p.take(Heard{Payload: payload}); wrong != "" {
				return wrong
			}
		}
		return ""
	}}
}

// moves lists what can happen in a place, always in the same order.
func (p *place) moves(errands bool) []move {
	var out []move
	for _, a := range p.task.Open {
		all := outcomes(p.task, a)
		if a.Kind == event.ActProbe {
			all[0].do = spend(all[0].do, left{silences: 1})
			if p.left.silences <= 0 {
				all = all[1:]
			}
		}
		out = append(out, all...)
	}
	for _, d := range p.task.Deadlines {
		due := func(name string, in Due) {
			out = append(out, move{name, both, func(p *place) string {
				if d.At.After(p.now) {
					p.now = d.At
				}
				return p.take(in)
			}})
		}
		due("due "+string(d.Name), Due{Name: d.Name, Quiet: 10 * time.Minute})
		if d.Name == event.DeadlineSilence {
			if p.left.silences > 0 {
				due("due silence, like most others'", Due{Name: d.Name, Quiet: 10 * time.Minute, Most: true})
			}
			due("due silence, and it was heard of", Due{Name: d.Name})
		}
	}
	out = append(out, p.schedules()...)
	out = append(out, p.records()...)
	out = append(out, p.exits()...)
	out = append(out, p.verbs(errands)...)
	if p.task.State == event.InReview {
		out = append(out, input("reviewed", never, func(*place) Input { return Reviewed{} }))
	}
	if slices.Contains(running, p.task.State) && !p.task.Shelved {
		out = append(out, input("fleet goes down", never, func(*place) Input { return Shelve{} }))
	}
	return append(out, input("nothing", never, func(*place) Input { return Due{Name: "strange"} }))
}

// schedules is what the line for slots may do.
func (p *place) schedules() []move {
	var out []move
	for _, dep := range []event.State{event.Done, event.Working, event.Failed} {
		f := Fleet{Tasks: []Task{p.task}, States: map[event.TaskID]event.State{"t9": dep}, Slots: 1}
		if p.task.Slot {
			f.Slots = 2
		}
		events := Schedule(f, p.now)
		if len(events) == 0 {
			continue
		}
		by := never
		if dep == event.Done {
			by = both
		}
		out = append(out, move{fmt.Sprintf("schedule %s (dependency %s)", events[0].Kind(), dep), by, func(p *place) string {
			p.later()
			for _, e := range events {
				if wrong := BrokenBy(p.task, e); wrong != "" {
					return wrong
				}
				p.task = Apply(p.task, e)
				if wrong := p.take(Heard{Payload: e.Data}); wrong != "" {
					return wrong
				}
			}
			return ""
		}})
		if p.task.DepsMet {
			break
		}
	}
	return out
}

func (p *place) records() []move {
	var out []move
	say := func(name string, r event.Record) {
		out = append(out, input("says "+name, never, func(p *place) Input {
			r := r
			switch {
			case r.Time.IsZero():
				r.Time = p.now
			case r.Time.Equal(dawn): // a moment before the newest
				r.Time = p.task.Agent.ReportedAt.Add(-2 * time.Second)
			}
			if r.State == event.RecordLimited {
				r.Until = p.now.Add(time.Hour)
			}
			r.Gen = p.task.Gen
			return Reported{Gen: p.task.Gen, Source: "status", Record: r}
		}))
	}
	if p.task.Gen == 0 {
		return nil
	}
	say("working", event.Record{State: event.RecordWorking})
	say("working, prompted", event.Record{State: event.RecordWorking, Prompted: true})
	say("working in the background", event.Record{State: event.RecordIdle, Background: true})
	say("idle", event.Record{State: event.RecordIdle})
	say("done", event.Record{State: event.RecordDone})
	say("idle, late", event.Record{State: event.RecordIdle, Time: dawn})
	for _, m := range p.task.Messages {
		if m.open() {
			say("working on "+string(m.ID), event.Record{State: event.RecordWorking, Prompted: true, Message: m.ID})
			say("that it has "+string(m.ID), event.Record{Message: m.ID})
		}
	}
	if p.task.Request != nil {
		say("waiting, again", event.Record{State: event.RecordWaiting, Reason: p.task.Request.Reason, Request: p.task.Request.Request})
	}
	if p.left.questions > 0 {
		for _, why := range []event.WaitReason{event.WaitPermission, event.WaitDialog} {
			say("waiting for "+string(why), event.Record{State: event.RecordWaiting, Reason: why, Request: "r1"})
			out[len(out)-1].do = spend(out[len(out)-1].do, left{questions: 1})
		}
	}
	if p.left.limits > 0 {
		for _, r := range []event.Record{
			{State: event.RecordError, Error: event.ErrorOverloaded},
			{State: event.RecordError, Error: event.ErrorOverloaded, Time: dawn},
			{State: event.RecordLimited},
			{State: event.RecordError, Error: event.ErrorAuth},
		} {
			name := string(r.State) + " " + string(r.Error)
			if !r.Time.IsZero() {
				name += ", late"
			}
			say(name, r)
			out[len(out)-1].do = spend(out[len(out)-1].do, left{limits: 1})
		}
	}
	if p.task.Gen > 1 {
		out = append(out, input("its predecessor says idle", never, func(p *place) Input {
			return Reported{Gen: p.task.Gen - 1, Source: "status", Record: event.Record{State: event.RecordIdle, Time: p.now}}
		}))
	}
	return out
}

// spend lets something happen that may happen only so often.
func spend(do func(*place) string, cost left) func(*place) string {
	return func(p *place) string {
		p.left.messages -= cost.messages
		p.left.questions -= cost.questions
		p.left.limits -= cost.limits
		p.left.silences -= cost.silences
		return do(p)
	}
}

func (p *place) exits() []move {
	if !p.task.Agent.Live {
		return nil
	}
	exit := func(name string, cause event.ExitCause, status int, known bool) move {
		return input("exits "+name, never, func(p *place) Input {
			return Exited{Gen: p.task.Gen, Cause: cause, Exit: status, Known: known}
		})
	}
	return []move{
		exit("with 0", event.CauseOwn, 0, true), exit("with 1", event.CauseOwn, 1, true), exit("unseen", event.CauseOwn, 0, false),
		exit("with its server", event.CauseLost, 0, false),
	}
}

func (p *place) verbs(errands bool) []move {
	type verb struct {
		name string
		cost left
		make func(*place) event.Payload
	}
	constant := func(payload event.Payload) func(*place) event.Payload {
		return func(*place) event.Payload { return payload }
	}
	if p.task.Removed {
		return nil
	}
	all := []verb{{"stop", left{}, constant(event.StopRequested{})}, {"retry", left{}, constant(event.RetryRequested{})}}
	errand := slices.ContainsFunc(p.task.Open, func(a event.Action) bool {
		return slices.Contains([]event.ActionKind{event.ActInterrupt, event.ActRemove, event.ActRestore}, a.Kind)
	})
	if errands && !errand {
		all = append(all,
			verb{"interrupt", left{}, constant(event.InterruptRequested{})},
			verb{"rm", left{}, constant(event.RemoveRequested{})},
			verb{"restore", left{}, constant(event.RestoreRequested{Ref: "refs/muster/keep/1"})})
	}
	if p.left.messages > 0 {
		all = append(all, verb{"send", left{messages: 1}, func(p *place) event.Payload {
			return event.SendRequested{Message: event.NewMessageID(p.task.LastMessage + 1), Text: "hello"}
		}})
	}
	if p.task.Request != nil {
		all = append(all,
			verb{"answer yes", left{}, constant(event.AnswerRequested{Request: p.task.Request.Request, Decision: event.Allow})},
			verb{"answer no", left{}, constant(event.AnswerRequested{Request: p.task.Request.Request, Decision: event.Deny})})
	}
	var out []move
	for _, v := range all {
		m := write(v.name, v.make)
		m.do = spend(m.do, v.cost)
		out = append(out, m)
	}
	if !errands {
		return out
	}
	for _, v := range all { // two, while nobody listens
		for _, u := range all {
			if v.cost.messages+u.cost.messages > p.left.messages {
				continue
			}
			m := write(v.name+" and "+u.name, v.make, u.make)
			m.do = spend(spend(m.do, v.cost), u.cost)
			out = append(out, m)
		}
	}
	return out
}

// outcomes are all ways in which an action can end.
func outcomes(t Task, a event.Action) []move {
	var out []move
	end := func(name string, by sure, f *Failure, facts ...event.Payload) {
		out = append(out, input(string(a.Kind)+" "+name, by, func(*place) Input {
			return Finished{ID: a.ID, Facts: facts, Failure: f}
		}))
	}
	fails := func(by sure, kinds ...FailureKind) {
		for _, k := range kinds {
			end("fails: "+string(k), by, &Failure{Kind: k, Text: "it failed"})
		}
	}
	arrived := event.MessageMoved{Message: a.Message, To: event.MessageAcked}
	switch a.Kind {
	case event.ActPrepare, event.ActRestore:
		end("works", good, nil, readyFact())
		fails(bad, FailAgain)
	case event.ActStart:
		end("works", good, nil, launchedFact(a.Gen))
		fails(bad, FailAgain, FailRefused, FailUnknown)
		end("fails, and the agent is there", never, &Failure{Kind: FailAgain, Text: "it failed"}, launchedFact(a.Gen))
		end("works, and no agent is there", never, nil)
	case event.ActDeliver:
		end("works", good, nil)
		end("works, and it arrived", good, nil, arrived)
		fails(bad, FailAgain, FailRefused, FailUnknown)
	case event.ActLook:
		end("finds it", good, nil, arrived)
		end("finds that it waits", never, nil)
		fails(bad, FailAgain, FailUnknown)
	case event.ActCheck:
		for name, r := range rounds(t) {
			end(name, good, nil, r)
		}
		end("leaves no result", never, nil)
		fails(bad, FailAgain, FailRefused)
	case event.ActPublish:
		p := event.WorkPublished{Mode: t.Spec.Publish, Branch: "b", Commit: "c9"}
		if t.Spec.Publish == event.PublishPR {
			p.URL = "https://forge.test/pr/1"
		}
		end("works", good, nil, p)
		fails(bad, FailMoved, FailAgain)
	case event.ActEnd:
		end("works", good, nil)
		end("works, and saw how", good, nil, event.AgentExited{Cause: event.CauseEnded, Known: true})
		out = append(out, move{"end fails, each time", bad, func(p *place) string {
			for {
				p.later()
				open, _ := p.task.Action(event.ActEnd)
				last := p.task.Agent.Ends+1 >= maxEnds
				if wrong := p.take(Finished{ID: open.ID, Failure: &Failure{Kind: FailAgain, Text: "it failed"}}); wrong != "" || last {
					return wrong
				}
				if wrong := Broken(p.task); wrong != "" {
					return wrong
				}
			}
		}})
	case event.ActKeep:
		end("works", good, nil, event.WorkKept{Ref: "refs/muster/keep/1"})
		fails(bad, FailAgain)
	case event.ActClean:
		end("works", good, nil, event.WorktreeRemoved{})
		fails(bad, FailAgain)
	case event.ActRemove:
		end("works", good, nil, event.WorktreeRemoved{}, event.TaskRemoved{})
		fails(bad, FailAgain)
	case event.ActProbe:
		end("shows nothing", good, nil, event.AgentProbed{Evidence: "/e"})
		end("shows a tool", good, nil, event.AgentProbed{Tool: "Bash"})
		fails(bad, FailAgain)
	case event.ActAnswer, event.ActInterrupt, event.ActClose:
		end("works", good, nil)
		fails(bad, FailAgain)
	}
	return out
}

// rounds are the verdicts that a round can have, in a fixed order.
func rounds(t Task) func(yield func(string, event.RoundFinished) bool) {
	tree := "x"
	if t.Rounds.Last != nil && t.Rounds.Last.Tree == tree {
		tree = "y"
	}
	unchanged, moved := green(tree), red(tree, "no")
	unchanged.Changed, moved.Moved = false, true
	return func(yield func(string, event.RoundFinished) bool) {
		ok := yield("is green", green(tree)) && yield("is red", red(tree, "no")) && yield("sees no change", unchanged) && yield("sees the tree move", moved)
		if ok && t.Rounds.Last != nil {
			same := *t.Rounds.Last
			yield("is as before", same)
		}
	}
}

// key is what two places have in common that nothing tells apart. What is left out is a time, a counter or a text
// that life writes and never reads, or what plays no part any more in this state. TestTwinsAreTwins checks that, and
// TestTheWalkKnowsTheWholeTask fails when a field is added.
func (p *place) key() []byte {
	t := &p.task
	k := keyWriter{b: make([]byte, 0, 200)}
	k.words(string(t.State))
	k.flags(t.Slot, t.Agent.Live, t.Removed, t.Worktree != "", t.Stopping, t.Shelved)
	if _, ending := t.Action(event.ActEnd); !ending { // else see outcomes: all tries are one
		k.flags(t.Agent.Ends >= maxEnds)
	}
	p.keyOpen(&k)
	ends := (t.Stopping || t.Shelved) && t.State != event.Publishing // and no deadline changes that
	for _, d := range t.Deadlines {
		if !ends && d.Name != event.DeadlineSilence { // which stands wherever it means anything
			k.words(string(d.Name))
		}
	}
	if t.State.Final() { // nothing but its leavings matters
		return k.b
	}
	k.flags(t.DepsMet, t.Request != nil, t.Gen > 0)
	k.nums(t.APIErrors, int(p.left.messages), int(p.left.questions), int(p.left.limits), int(p.left.silences))
	quiet := slices.Contains([]event.State{event.Queued, event.Blocked, event.Preparing, event.Parked, event.InReview}, t.State)
	if !quiet { // else the next generation begins with a clean sheet
		k.words(string(t.Agent.Turn))
		k.flags(t.Agent.Seen && (!t.Shelved || !ends))
	}
	if t.Stopping && ends { // it will be cancelled, however many rounds or attempts are left
		return k.b
	}
	k.flags(t.Reason == ReasonRounds, t.Reason == ReasonNoProgress, t.Published != nil && t.Published.URL != "")
	k.nums(t.Gen, t.Attempt, t.Rounds.Spent, t.Agent.Launches)
	if t.State == event.Checking || t.State == event.Publishing {
		k.nums(t.Rounds.Voids)
	}
	k.words(class(t.Next))
	if l := t.Rounds.Last; l != nil {
		k.flags(l.Changed, l.Moved, allGreen(l.Results))
	}
	if !quiet && (!t.Shelved || !ends) {
		k.flags(t.Agent.Fresh, t.Agent.Held)
		k.words(class(t.Agent.Why))
	}
	k.words(string(t.Stage))
	k.flags(t.Doubted)
	p.keyMessages(&k)
	return k.b
}

// keyMessages writes what is under way.
func (p *place) keyMessages(k *keyWriter) {
	t := &p.task
	for _, m := range t.Messages {
		if m.open() {
			k.words(string(m.State))
			k.flags(slices.Contains(t.Agent.Carries, m.ID), m.State == event.MessageSending && m.Gen == t.Gen)
		}
	}
}

// keyOpen writes the open actions; their order does not matter, since there is one of a kind at most.
func (p *place) keyOpen(k *keyWriter) {
	var open []string
	for _, o := range p.task.Open {
		text := string(o.Kind)
		if o.Gen == p.task.Gen {
			text += "+"
		}
		if m, ok := p.task.Message(o.Message); ok && !p.task.Stopping && !p.task.State.Final() {
			text += string(m.State)
		}
		open = append(open, text)
	}
	slices.Sort(open)
	k.words(open...)
}

// class is all that is decided by the reason of a generation.
func class(w event.Why) string {
	switch {
	case w.Fault():
		return "fault"
	case w == "" || w == event.WhyAPI:
		return string(w)
	}
	return "other"
}

type keyWriter struct{ b []byte }

func (k *keyWriter) words(all ...string) {
	for _, s := range all {
		k.b = append(append(k.b, s...), 0)
	}
	k.b = append(k.b, 1)
}

func (k *keyWriter) flags(all ...bool) {
	for _, f := range all {
		c := byte('-')
		if f {
			c = '+'
		}
		k.b = append(k.b, c)
	}
}

func (k *keyWriter) nums(all ...int) {
	for _, n := range all {
		k.b = append(k.b, byte(n)) //nolint:gosec // far below
	}
}

// walk explores to closure.
type walk struct {
	t       *testing.T
	errands bool
	seed    maphash.Seed
	number  map[[2]uint64]int32 // of each state, by its key
	parent  []int32             // by which it was first reached
	by      []uint16            // and by which move
	queue   []*place            // places to be explored; places done are emptied
	rests   []bool
	edges   [3][][2]int32 // of good and of bad outcomes: from, to
	moves   int

	twins map[int32]place // places kept, to be compared with others of the same key
}

func (w *walk) id(p *place) [2]uint64 {
	b := p.key()
	h := maphash.Bytes(w.seed, b)
	return [2]uint64{h, maphash.Bytes(w.seed, append(b, 1))}
}

// reach notes a place; true if it is new.
func (w *walk) reach(p place, from int32, by int) (n int32, fresh bool) {
	id := w.id(&p)
	if n, ok := w.number[id]; ok {
		if twin, kept := w.twins[n]; kept {
			w.compare(twin, p)
		}
		return n, false
	}
	n = int32(len(w.parent)) //nolint:gosec // far below
	w.number[id] = n
	w.parent, w.by = append(w.parent, from), append(w.by, uint16(by)) //nolint:gosec // far below
	w.rests = append(w.rests, (p.task.State.Final() || p.task.State == event.Parked) && len(p.task.Open) == 0)
	w.queue = append(w.queue, &p)
	if w.twins != nil && n%50 == 0 {
		w.twins[n] = p
	}
	return n, true
}

// compare checks that two places with the same key are one: the same moves lead to the same places.
func (w *walk) compare(a, b place) {
	ways := func(p place) (out []string) {
		for _, m := range p.moves(w.errands) {
			at := p
			m.do(&at)
			to := string(at.key())
			if to == string(p.key()) { // what leads nowhere may be there or not
				continue
			}
			if !p.task.State.Final() && !p.task.Stopping { // where its end alone matters, so does where its moves lead, and not which there are
				to = strings.TrimRight(m.name, "0123456789") + ": " + to
			}
			out = append(out, to)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	if one, other := ways(a), ways(b); !slices.Equal(one, other) {
		w.t.Fatalf("two places have one key and go different ways:\n%s\n%s\n%s", asJSON(a.task), asJSON(b.task), differs(one, other))
	}
}

func (w *walk) run(start place) {
	w.reach(start, -1, 0)
	for n := int32(0); int(n) < len(w.queue); n++ {
		here := *w.queue[n]
		w.queue[n] = nil
		if n%500_000 == 499_999 {
			w.t.Logf("%d states explored, %d wait", n+1, len(w.queue)-int(n)-1)
		}
		for i, m := range here.moves(w.errands) {
			there := here
			wrong := m.do(&there)
			if wrong == "" {
				wrong = Broken(there.task)
			}
			next, fresh := w.reach(there, n, i)
			if wrong == "" && m.name == "nothing" && next != n {
				wrong = "something follows from nothing"
			}
			if wrong != "" {
				w.t.Fatalf("%s\n%s\nbefore: %s\nafter: %s", wrong, w.script(start, n, m.name), asJSON(here.task), asJSON(there.task))
			}
			w.moves++
			_ = fresh
			if m.sure&good != 0 {
				w.edges[good] = append(w.edges[good], [2]int32{n, next})
			}
			if m.sure&bad != 0 {
				w.edges[bad] = append(w.edges[bad], [2]int32{n, next})
			}
		}
	}
}

// script is the shortest way to a state, in words.
func (w *walk) script(start place, n int32, last string) string {
	var back []int32
	for ; n >= 0; n = w.parent[n] {
		back = append(back, n)
	}
	var b strings.Builder
	at := start
	for _, n := range slices.Backward(back) {
		if w.parent[n] < 0 {
			continue
		}
		m := at.moves(w.errands)[w.by[n]]
		m.do(&at)
		fmt.Fprintf(&b, "%3s. %s → %s\n", fmt.Sprint(strings.Count(b.String(), "\n")+1), m.name, at.task.State)
	}
	fmt.Fprintf(&b, "     %s", last)
	return b.String()
}

// stuck finds the states without a way to rest by such moves; -1 if there is none.
func (w *walk) stuck(by sure) int32 {
	back := make([][]int32, len(w.parent))
	for _, e := range w.edges[by] {
		back[e[1]] = append(back[e[1]], e[0])
	}
	ends := slices.Clone(w.rests)
	var todo []int32
	for n, rests := range ends {
		if rests {
			todo = append(todo, int32(n)) //nolint:gosec // far below
		}
	}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, m := range back[n] {
			if !ends[m] {
				ends[m] = true
				todo = append(todo, m)
			}
		}
	}
	return int32(slices.Index(ends, false)) //nolint:gosec // far below
}

func walkSpec(change ...func(*event.Spec)) place {
	spec := testSpec()
	spec.Attempts, spec.Rounds, spec.Respawns = 2, 2, 2
	for _, c := range change {
		c(&spec)
	}
	return place{
		task: Apply(Task{}, event.Event{Seq: 1, Time: dawn, Task: "t1", Data: event.DispatchRequested{Spec: spec, Prompt: "fix it"}}),
		now:  dawn, left: left{messages: 2, questions: 1, limits: 1, silences: 1},
	}
}

// walks are the bounds of the walks: beside the other tests the first only. Errands (interrupt, rm, restore) and
// requests that pile up while there is no supervisor multiply the states, so that they have a walk of their own.
var walks = []struct {
	name                      string
	left                      left
	attempts, rounds, respawn int
	errands                   bool
}{
	{"short", left{}, 2, 1, 1, false},
	{"silence", left{0, 0, 0, 2}, 2, 1, 1, false},
	{"errands", left{1, 0, 0, 0}, 2, 1, 1, true},
	{"far", left{2, 1, 1, 0}, 2, 2, 2, false},
}

var kinds = map[string]func(*event.Spec){
	"mailbox": traits(hooked), "paste": traits(pasted), "command": traits(command),
	"review":     func(s *event.Spec) { s.Publish = event.PublishPR },
	"dependency": func(s *event.Spec) { s.After = []event.TaskID{"t9"} },
}

func TestWalk(t *testing.T) {
	t.Parallel()
	for _, bounds := range walks {
		for kind, change := range kinds {
			if bounds.name == "far" && (kind == "review" || kind == "dependency") {
				continue // what sets them apart lies near
			}
			if !*walkFull && (bounds.name != "short" || kind != "command" && kind != "review") {
				continue // make walk goes all of them
			}
			t.Run(bounds.name+" "+kind, func(t *testing.T) {
				if bounds.name != "far" { // one of those takes gigabytes
					t.Parallel()
				}
				start := walkSpec(change)
				start.left = bounds.left
				s := &start.task.Spec
				s.Attempts, s.Rounds, s.Respawns = bounds.attempts, bounds.rounds, bounds.respawn
				began := time.Now()
				w := &walk{t: t, errands: bounds.errands, seed: maphash.MakeSeed(), number: map[[2]uint64]int32{}}
				w.run(start)
				for by, what := range map[sure]string{good: "outcomes that are good", bad: "outcomes that are not good"} {
					if n := w.stuck(by); n >= 0 {
						t.Fatalf("with deadlines and %s there is no way to rest from here:\n%s", what, w.script(start, n, ""))
					}
				}
				fmt.Printf("walk %s %s: %d states, %d steps, %s\n", bounds.name, kind, len(w.parent), w.moves, time.Since(began).Round(time.Millisecond))
			})
		}
	}
}

// TestTwinsAreTwins compares, in a short walk, places that count as one.
func TestTwinsAreTwins(t *testing.T) {
	t.Parallel()
	for name, tr := range map[string]event.Traits{"mailbox": hooked, "paste": pasted, "command": command} {
		if !*walkFull && name != "command" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := walkSpec(traits(tr))
			start.left = left{}
			start.task.Spec.Rounds, start.task.Spec.Respawns = 1, 1
			w := &walk{t: t, seed: maphash.MakeSeed(), number: map[[2]uint64]int32{}, twins: map[int32]place{}}
			w.run(start)
		})
	}
}

func TestTheWalkKnowsTheWholeTask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of   any
		want int
	}{{Task{}, 38}, {Agent{}, 16}, {Message{}, 4}, {Rounds{}, 4}, {Deadline{}, 3}} {
		if n := reflect.TypeOf(c.of).NumField(); n != c.want {
			t.Errorf("%T has %d fields, not %d: does anything depend on the new one? Then it belongs into place.key", c.of, n, c.want)
		}
	}
}
