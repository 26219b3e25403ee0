package life

import (
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
)

// left is what may still happen from outside, so that the walk ends: the numbers of messages by people, of questions
// and limits of the agent, of silences, of shortages, of records with further usage, and of rests of its account. Everything
// else may happen any number of times.
type left struct{ messages, questions, limits, silences, lacks, money, rests int8 }

// place is a state of the walk.
type place struct {
	task Task
	now  time.Time
	left left
	rows map[row]bool // rows of the table that were used; shared by all places of a worker
}

// row is one transition: a rule, and the state in which it was applied.
type row struct {
	rule string
	from event.State
}

// sure describes what a move depends on.
type sure uint8

const (
	never sure = iota // may never come
	good              // will come, if everything works
	bad               // will come, if nothing works
	both
)

// move is something that can happen in a place.
type move struct {
	name string
	sure sure
	do   func(*place) (wrong string)
}

// take makes a decision about an input and checks it.
func (p *place) take(in Input) string {
	before := p.task
	events, actions := Decide(p.task, in, p.now)
	for _, e := range events {
		if wrong := BrokenBy(p.task, e); wrong != "" {
			return wrong
		}
		if m, ok := e.Data.(event.TaskMoved); ok && p.rows != nil {
			p.rows[row{m.Rule, m.From}] = true
		}
		p.task = Apply(p.task, e)
	}
	return judgeActions(before, events, actions)
}

// later lets some time pass.
func (p *place) later() { p.now = p.now.Add(10 * time.Second) }

func input(name string, by sure, in func(p *place) Input) move {
	return move{name, by, func(p *place) string {
		p.later()
		return p.take(in(p))
	}}
}

// write is a request: the verb folds it, then the supervisor handles it. Requests accumulate while there is no
// supervisor.
func write(name string, payloads ...func(*place) event.Payload) move {
	return move{name, never, func(p *place) string {
		p.later()
		var all []event.Payload
		for _, make := range payloads {
			payload := make(p)
			all = append(all, payload)
			p.task = Apply(p.task, event.Event{Time: p.now, Subject: event.OfTask(p.task.ID), Data: payload})
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
		if probe, ok := a.Args.(event.ProbeArgs); ok && !probe.Launch {
			all[0].do = spend(all[0].do, left{silences: 1})
			if p.left.silences <= 0 {
				all = all[1:]
			}
		}
		if p.task.IsPutOff(a.ID) { // it does not run, unless it was started twice
			for i := range all {
				all[i].sure = never
			}
		}
		out = append(out, all...)
		out = append(out, p.shortages(a)...)
	}
	if p.task.Spec.Race != nil && !p.task.State.Final() && p.task.Race == nil {
		for _, id := range p.task.Spec.Race.Tasks {
			when := both
			if id == p.task.ID && !p.task.AwaitsRace() {
				continue
			}
			if id != p.task.ID {
				when = never
			}
			out = append(out, input("the race is won by "+string(id), when, func(*place) Input {
				return Raced{RaceDecided: event.RaceDecided{Winner: id, Why: "it is the best"}}
			}))
		}
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
	out = append(out, p.inspections()...)
	out = append(out, p.holds()...)
	out = append(out, p.records()...)
	out = append(out, p.exits()...)
	out = append(out, p.verbs(errands)...)
	if errands && p.task.Gen > 0 {
		out = append(out, input("says more than anybody reads", never, func(p *place) Input { return Flooded{Gen: p.task.Gen, Text: "64 MiB"} }))
	}
	if p.task.State == event.InReview && p.task.Published != nil || p.task.AwaitsVerdict() {
		out = append(out, p.reviews()...)
	}
	if _, waits := p.task.MergeEntry(); waits {
		out = append(out,
			input("merged", never, func(*place) Input { return Merged{Commit: "m1"} }),
			input("in conflict with the base", never, func(*place) Input {
				return Unmerged{Why: event.MergeConflicts, Branch: "main", Files: []string{"a.go"}}
			}))
	}
	if slices.Contains(running, p.task.State) && !p.task.Shelved {
		out = append(out, input("fleet goes down", never, func(*place) Input { return Shelve{} }))
	}
	return append(out, move{nothing, never, (*place).idle})
}

// reviews returns what a forge may show about work in review.
func (p *place) reviews() []move {
	shows := func(name string, in Reviewed) move {
		return input(name, never, func(*place) Input { return in })
	}
	head := p.task.Published.Commit
	return []move{
		shows("merged", Reviewed{Phase: ReviewMerged}),
		shows("closed", Reviewed{Phase: ReviewClosed, Why: "by somebody"}),
		shows("checks of the forge failed", Reviewed{Phase: ReviewOpen, Key: "checks " + head, Names: "test", Head: head, Text: "red"}),
		shows("checks of an older commit failed", Reviewed{Phase: ReviewOpen, Key: "checks old", Names: "test", Head: "old", Text: "red"}),
		shows("a check of the forge never begins", Reviewed{Phase: ReviewOpen, Head: head, Waits: "test has not ended"}),
		shows("a check of the forge has a verdict late", Reviewed{Phase: ReviewOpen, Head: head, Judged: true}),
		shows("words", Reviewed{Phase: ReviewOpen, Key: "words W1", Text: "rename it"}),
	}
}

// nothing is the name of the move with all inputs that must change nothing.
const nothing = "nothing"

// idle makes all inputs that must change nothing: a deadline that is not set, the outcome of an action that has one
// already, a line that is not a record, a record of an older generation, and a suspend of the host, which only moves
// times. The death of a supervisor changes nothing either: the next one takes the task from the log as it is.
func (p *place) idle() string {
	ins := []Input{
		Due{Name: "strange"},
		Finished{ID: "a0"},
		Refused{Gen: p.task.Gen, Source: "status", Why: "not a record"},
		Slept{Gap: time.Hour},
		Exited{Gen: p.task.Gen + 1, Cause: event.CauseLost},
	}
	if p.task.Gen > 1 {
		ins = append(ins, Reported{Gen: p.task.Gen - 1, Source: "status", Record: event.Record{State: event.RecordIdle, Time: p.now}})
	}
	for _, in := range ins {
		if wrong := p.take(in); wrong != "" {
			return wrong
		}
	}
	return ""
}

// inspections returns what may become of the review that the task waits for.
func (p *place) inspections() (out []move) {
	r := p.task.Inspection
	if r == nil {
		return nil
	}
	if r.Reviewer == "" { // in the transaction that wants it
		return []move{{"its review begins", both, func(p *place) string {
			p.task = Apply(p.task, event.Event{Time: p.now, Subject: event.OfTask(p.task.ID), Data: event.ReviewBegun{Task: event.NewTaskID(10 + len(p.task.Usage))}})
			return ""
		}}}
	}
	f := event.ReviewFinished{Task: r.Reviewer, Check: r.Check, Round: r.Round, Tree: r.Tree}
	for name, by := range map[string]sure{"accepts": good, "refuses": good, "gives no verdict": bad} {
		f := f
		switch name {
		case "accepts":
			f.Green = true
		case "refuses":
			f.Findings = "no"
		default:
			f.Error = "it crashed"
		}
		out = append(out, input("its review "+name, by, func(*place) Input { return ReviewEnded{f} }))
	}
	slices.SortFunc(out, func(a, b move) int { return cmpString(a.name, b.name) })
	return out
}

// shortages returns the shortages of an action, and their end.
func (p *place) shortages(a event.Action) (out []move) {
	if p.task.IsPutOff(a.ID) {
		return []move{input(string(a.Kind())+" may find room", never, func(*place) Input { return Roomy{} })}
	}
	if p.left.lacks > 0 && canWait(a.Kind()) {
		m := input(string(a.Kind())+" lacks something", never, func(*place) Input {
			return Finished{ID: a.ID, Failure: &Failure{Kind: FailAgain, Text: "no room", Lack: event.PlaceMachine}}
		})
		m.do = spend(m.do, left{lacks: 1})
		out = append(out, m)
	}
	if k := a.Kind(); k == event.ActCheck || k == event.ActPrepare {
		out = append(out, input(string(k)+" has a runner", never, func(*place) Input { return Met{Job: event.JobStarted{Action: a.ID, For: k, Run: 1}} }))
	}
	if p.task.PutOff != nil && p.task.PutOff.Action == a.ID {
		out = append(out, input(string(a.Kind())+" has begun", never, func(*place) Input { return Begun{ID: a.ID} }))
	}
	return out
}

// schedules returns what Schedule may decide about the task.
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

// holds returns what the account of the task, or the night, may mean for it.
func (p *place) holds() (out []move) {
	if p.task.Held != nil {
		out = append(out, input("its account is free", both, func(*place) Input { return Release{} }))
	}
	if p.left.rests <= 0 {
		return out
	}
	for _, hard := range []bool{false, true} {
		a := Account{ID: "some", Phase: PhaseResting, Cause: event.RestBudget, Until: p.now.Add(time.Hour), Spent: Spent{Level: event.SpendSpent, Hard: hard}}
		if in := HoldOf(p.task, a, Account{}); in != nil {
			m := input(fmt.Sprintf("its account rests, hard %v", hard), never, func(*place) Input { return in })
			m.do = spend(m.do, left{rests: 1})
			out = append(out, m)
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
	if p.task.Spec.Review != nil {
		say("its verdict", event.Record{State: event.RecordDone, Verdict: &event.Verdict{Result: event.VerdictGreen, Seal: seal}})
		say("a forged verdict", event.Record{State: event.RecordDone, Verdict: &event.Verdict{Result: event.VerdictGreen}})
	}
	if p.left.silences > 0 { // elsewhere `interrupt` leads to the same states
		say("interrupted", event.Record{State: event.RecordIdle, Interrupted: true})
	}
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
	if p.left.money > 0 {
		m := input("has used more", never, func(p *place) Input {
			u := event.Usage{CostUSD: p.task.TotalUsage().CostUSD + 0.5}
			return Reported{Gen: p.task.Gen, Source: "status", Record: event.Record{State: event.RecordWorking, Time: p.now, Gen: p.task.Gen, Usage: &u}}
		})
		m.do = spend(m.do, left{money: 1})
		out = append(out, m)
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
	return out
}

// spend returns do with its cost, for a move that may happen only a limited number of times.
func spend(do func(*place) string, cost left) func(*place) string {
	return func(p *place) string {
		p.left.messages -= cost.messages
		p.left.questions -= cost.questions
		p.left.limits -= cost.limits
		p.left.silences -= cost.silences
		p.left.lacks -= cost.lacks
		p.left.money -= cost.money
		p.left.rests -= cost.rests
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
	if p.left.lacks > 0 {
		m := input("exits for want of something", never, func(p *place) Input {
			return Exited{Gen: p.task.Gen, Cause: event.CauseLost, Exit: 75, Known: true, Lack: "no room"}
		})
		m.do = spend(m.do, left{lacks: 1})
		return append([]move{m}, p.ownExits(exit)...)
	}
	return p.ownExits(exit)
}

func (*place) ownExits(exit func(name string, cause event.ExitCause, status int, known bool) move) []move {
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
	if p.task.Spec.Done.DeletedTests != "" {
		all = append(all, verb{"retry, allowing", left{}, constant(event.RetryRequested{Allow: []event.FindingKind{event.DeletedTests, event.TooLarge}})})
	}
	errand := slices.ContainsFunc(p.task.Open, func(a event.Action) bool {
		return slices.Contains([]event.ActionKind{event.ActInterrupt, event.ActRemove, event.ActRestore}, a.Kind())
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
	for _, v := range all { // two requests while there is no supervisor
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

// outcomes returns all ways in which an action can end.
func outcomes(t Task, a event.Action) []move {
	var out []move
	end := func(name string, by sure, f *Failure, facts ...event.Payload) {
		out = append(out, input(string(a.Kind())+" "+name, by, func(*place) Input {
			return Finished{ID: a.ID, Facts: facts, Failure: f}
		}))
	}
	fails := func(by sure, kinds ...FailureKind) {
		for _, k := range kinds {
			end("fails: "+string(k), by, &Failure{Kind: k, Text: "it failed"})
		}
	}
	arrived := event.MessageMoved{Message: a.Message(), To: event.MessageAcked}
	switch a.Kind() {
	case event.ActPrepare, event.ActRestore:
		end("works", good, nil, readyFact())
		fails(bad, FailAgain)
	case event.ActStart:
		if t.Spec.Review != nil {
			end("works", good, nil, launchedFact(a.Gen), event.ReviewerSealed{Seal: event.SealOf(seal)})
		} else {
			end("works", good, nil, launchedFact(a.Gen))
		}
		fails(bad, FailAgain, FailRefused, FailUnknown)
		end("fails, and the agent is there", never, &Failure{Kind: FailAgain, Text: "it failed"}, launchedFact(a.Gen))
		end("works, and no agent is there", never, nil)
	case event.ActDeliver:
		fails(bad, FailShut)
		end("works", good, nil)
		end("works, and it arrived", good, nil, arrived)
		fails(bad, FailAgain, FailRefused, FailUnknown)
	case event.ActConfirm:
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
			p.URL, p.Commit = "https://forge.test/pr/1", fmt.Sprintf("c%d", t.Rounds.Count)
			if t.Published != nil {
				same := p
				same.Commit = t.Published.Commit
				end("works, and nothing is new", never, nil, same)
			}
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
		if a.Args.(event.ProbeArgs).Launch { //nolint:forcetypeassert // as its kind implies
			end("shows a screen that stands still", good, nil, event.AgentProbed{Screen: "words", Evidence: "/e"})
			end("shows nothing", good, nil, event.AgentProbed{})
			fails(bad, FailAgain)
			break
		}
		end("shows nothing", good, nil, event.AgentProbed{Evidence: "/e"})
		end("shows a tool", good, nil, event.AgentProbed{Tool: "Bash"})
		fails(bad, FailAgain)
	case event.ActAnswer, event.ActInterrupt, event.ActClose:
		end("works", good, nil)
		fails(bad, FailAgain)
	}
	return out
}

// rounds iterates over the possible verdicts of a round, in a fixed order.
func rounds(t Task) func(yield func(string, event.RoundFinished) bool) {
	tree := "x"
	if t.Rounds.Last != nil && t.Rounds.Last.Tree == tree {
		tree = "y"
	}
	unchanged, moved := green(tree), red(tree, "no")
	unchanged.Changed, moved.Moved = false, true
	return func(yield func(string, event.RoundFinished) bool) {
		if t.Spec.Done.DeletedTests != "" {
			large := green(tree)
			large.Findings = []event.Finding{{Kind: event.TooLarge, Text: "the change is too large"}}
			if !yield("finds deleted tests", finding(green(tree))) || !yield("finds a large change", large) {
				return
			}
		}
		ok := yield("is green", green(tree)) && yield("is red", red(tree, "no")) && yield("sees no change", unchanged) && yield("sees the tree move", moved)
		if ok && t.Rounds.Last != nil {
			same := *t.Rounds.Last
			if ok = yield("is as before", same); ok && same.Changed && !same.Moved && allGreen(same.Results) {
				same.Reused = true
				yield("uses the verdict from before", same)
			}
		}
	}
}
